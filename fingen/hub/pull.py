"""The conductor of `fingen pull`: a data set on the Hub becomes a set in build/, and is checked; an adapter comes back as it was."""

from __future__ import annotations

import dataclasses
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import ValidationError

from fingen.config import BUILD, Taking
from fingen.disk import describe, dump_json, is_misnamed, lock, read_jsonl, sha256_file, write_text
from fingen.encodings import guess_encoding
from fingen.errors import HubError, SetError, ShortfallError, UsageError
from fingen.events import Outcome, command_line
from fingen.hub.client import Hub, Remote, check_repo_id, read_matter
from fingen.hub.pull_adapter import PulledAdapter, pull_adapter
from fingen.imports.base import Options, read_row
from fingen.imports.read import number_ids, refuse_all
from fingen.imports.sources import SOURCES
from fingen.pushes import leave_trace
from fingen.records import FileEntry, Manifest, Record, Rejected
from fingen.rows import Allowance, Raw, find_split, read_each, read_parquet
from fingen.set_folder import PATIENCE_SECONDS, clear, make_manifest, refuse_folder, refuse_other, write_anew
from fingen.sets import (
    CARD,
    CHUNKS,
    INFO,
    JOURNAL,
    MANIFEST,
    REJECTED,
    SPLITS,
    SetContent,
    parse_manifest,
    read_manifest,
    render_card,
)
from fingen.verification.run import Verification, verify
from fingen.wire import mapping

MOST_PATTERNS = 200  # of files, in the card of a data set
STAGING = ".pull"  # in the folder of the set: where files arrive, so that a second run finds those that are there
BROUGHT = (*(f"{split}.jsonl" for split in SPLITS), REJECTED, CHUNKS, INFO)  # a foreign manifest names no other file
KINDS = {
    ".parquet": 0,
    ".json": 1,
    ".jsonl": 1,
    ".csv": 2,
}  # files of rows, and which are taken where there are several


@dataclass(frozen=True)
class Pulled(Outcome):
    """What a pull did."""

    set: str
    repo: str
    commit: str
    own: bool  # fingen has pushed it; its manifest came with it
    records: dict[str, int]  # split -> rows
    rejects: dict[str, int]  # reason -> rows of a foreign data set that can be no record
    laws: dict[str, dict[str, int]]  # law -> passed, failed, unchecked


def pull(
    repo: str,
    out: Path | None = None,
    *,
    adapter: bool = False,
    revision: str | None = None,
    config: str | None = None,
    taking: Taking | None = None,
    replace: bool = False,
    quiet: bool = False,
) -> Pulled | PulledAdapter:
    """Bring a data set or an adapter into the folder `out` and check it. What fingen has pushed comes back as it was.

    Args:
        repo: OWNER/NAME.
        out: folder of the set or adapter; None: build/NAME, build/adapters/NAME.
        adapter: the model of that name, also where there is a data set of the same one.
        revision: a commit, branch or tag; None: the newest.
        config: which form of a foreign data set that has several.
        taking: how much of a data set is taken, at most; None: the defaults.
        replace: write over another set in `out`, if it has no journal, or over another adapter.
        quiet: show no bars.

    Raises:
        UsageError, SetError: `out` is in the way, or the data are not what they say they are.
        HubError: the Hub refuses or cannot be reached. ShortfallError: no row can be a record.
    """
    check_repo_id(repo)
    name = repo.rpartition("/")[2]
    hub = Hub(quiet=quiet)
    remote = None if adapter else hub.look(repo, revision)
    if remote:
        return _pull_set(hub, remote, out or BUILD / name, config, _allowance(taking or Taking()), replace=replace)
    hub = Hub(kind="model", quiet=quiet)
    if remote := hub.look(repo, revision):
        if config:
            raise UsageError(f"{repo} is no data set", hint="pull it without --config")
        return pull_adapter(hub, remote, out or BUILD / "adapters" / name, replace=replace)
    at = f" at {revision}" if revision else ""
    what = "adapter" if adapter else "data set or adapter"
    raise HubError(
        f"{repo}{at}: no such {what}, or none that you may see",
        hint="compare the name with its page; a private one needs HF_TOKEN (or: hf auth login)",
    )


def _allowance(taking: Taking) -> Allowance:
    hint = "take more with --max-rows and --max-mib, if you trust those who published it"
    return Allowance(taking.max_rows, taking.max_mib << 20, hint)


def _pull_set(
    hub: Hub, remote: Remote, out: Path, config: str | None, allowance: Allowance, *, replace: bool
) -> Pulled:
    refuse_folder(out)
    rejects: dict[str, int] = {}
    notes: list[str] = []
    try:
        with lock(out, patience_seconds=PATIENCE_SECONDS):
            manifest = _read_manifest(hub, remote, out / STAGING)
            if manifest and config:
                raise UsageError(f"{remote.repo} is a set of fingen's own", hint="pull it without --config")
            if manifest:
                changed = _bring(hub, remote, manifest, out, allowance, replace=replace)
        if not manifest:
            changed, rejects, notes = _adopt(hub, remote, out, config, allowance, replace=replace)
    except UsageError:  # what is there is another's: nothing of this stays in it
        shutil.rmtree(out / STAGING, ignore_errors=True)
        raise
    shutil.rmtree(out / STAGING, ignore_errors=True)
    leave_trace(out, remote.repo, remote.head)
    return _tell(remote, out, verify(out), rejects, notes, own=manifest is not None, changed=changed)


def _tell(
    remote: Remote,
    out: Path,
    found: Verification,
    rejects: dict[str, int],
    notes: list[str],
    *,
    own: bool,
    changed: bool,
) -> Pulled:
    laws = {
        name: {"passed": law.passed, "failed": law.failed, "unchecked": law.unchecked}
        for name, law in found.laws.items()
    }
    why = Counter(reason for law in found.laws.values() for reason in law.why)
    records = Manifest.model_validate_json((out / MANIFEST).read_bytes()).splits
    return Pulled(
        set=str(out),
        repo=remote.repo,
        commit=remote.head,
        own=own,
        records=records,
        rejects=rejects,
        laws=laws,
        notes=[*notes, *(f"could not be checked: {reason}" for reason in why)],
        changed=changed,
        next=command_line("fingen", "verify" if found.exit_code else "show", out),
        exit_code=found.exit_code if own else 0,  # rows of others are as they are; verify names what is wrong with them
    )


# --- a set that fingen has pushed ---------------------------------------------------------------------------------------


def _read_manifest(hub: Hub, remote: Remote, staging: Path) -> Manifest | None:
    """The manifest of the data set, if it has one of ours.

    Raises:
        SetError: it is one of ours in all but its names, which are paths.
    """
    if MANIFEST not in remote.files:
        return None
    text = hub.fetch(remote, MANIFEST, staging).read_bytes()
    try:
        return parse_manifest(text, f"{remote.repo}/{MANIFEST}")
    except SetError as e:
        if isinstance(e.__cause__, ValidationError) and is_misnamed(e.__cause__):
            raise SetError(f"{e}; nothing was brought", hint="have its owner push it with fingen") from e
        return None


def _bring(hub: Hub, remote: Remote, listed: Manifest, out: Path, allowance: Allowance, *, replace: bool) -> bool:
    """Fetch the files of the set, check each by its hash, and put them in place; True if anything changed."""
    staging = out / STAGING
    entries = {name: entry for name, entry in listed.files.items() if name in BROUGHT}
    if _is_there(out, listed, entries):
        return False
    if not replace and (out / MANIFEST).exists():
        said = describe(out) or f"{out} holds a set that is damaged"
        raise SetError(f"{said}: another set than {remote.repo}", hint="pull elsewhere with --out, or --replace it")
    if (out / JOURNAL).exists():
        raise SetError(f"{out} holds a journal: answers that were paid for", hint="pull elsewhere with --out")
    missing = [name for name in entries if name not in remote.files]
    if missing:
        raise SetError(
            f"{remote.repo}: its {MANIFEST} lists {', '.join(missing)}, and that is not there",
            hint="pull a commit that is whole with --revision",
        )
    allowance.take(f"{remote.repo}/{MANIFEST}", rows=sum(listed.splits.values()))
    for name, entry in entries.items():
        if sha256_file(hub.fetch(remote, name, staging, allowance)) != entry.sha256:
            raise SetError(
                f"{remote.repo}: {name} was changed there since it was pushed",
                hint="pull the commit that was pushed with --revision, or have it pushed again",
            )
    splits = {split: staging / f"{split}.jsonl" for split in SPLITS if f"{split}.jsonl" in entries}
    card = render_card(listed, {split: read_jsonl(path, Record) for split, path in splits.items()})
    write_text(staging / CARD, card)
    entries[CARD] = FileEntry(sha256=sha256_file(staging / CARD), rows=None)
    manifest = listed.model_copy(update={"files": entries})
    _place(staging, out, entries, dump_json(manifest.model_dump(mode="json"), indent=2) + "\n")
    return True


def _is_there(out: Path, listed: Manifest, entries: Mapping[str, FileEntry]) -> bool:
    """Whether the set in the folder is this one, and whole. Its card is its own: it does not name the Hub."""
    try:
        own = read_manifest(out)
    except SetError:
        return False
    card = {name: entry for name, entry in own.files.items() if name == CARD}
    return own == listed.model_copy(update={"files": {**entries, **card}}) and all(
        (out / name).is_file() and sha256_file(out / name) == entry.sha256 for name, entry in own.files.items()
    )


def _place(staging: Path, out: Path, entries: Mapping[str, FileEntry], manifest: str) -> None:
    """Move the files to where they belong, the manifest last."""
    clear(out)
    for name in {*BROUGHT, CARD} - entries.keys():
        (out / name).unlink(missing_ok=True)
    for name in entries:
        (staging / name).replace(out / name)
    write_text(out / MANIFEST, manifest)


# --- a data set of others -----------------------------------------------------------------------------------------------


def _adopt(
    hub: Hub, remote: Remote, out: Path, config: str | None, allowance: Allowance, *, replace: bool
) -> tuple[bool, dict[str, int], list[str]]:
    """Make a set of Alpaca rows: whether anything changed, the rejects by reason, and what is to be said."""
    settings = {"command": "pull", "repo": remote.repo, "revision": remote.head, "config": config}
    if not replace:
        refuse_other(out, settings)
    source, staging = SOURCES["alpaca"], out / STAGING
    records: dict[str, list[Record]] = {split: [] for split in SPLITS}
    columns: set[str] = set()
    rejected, declared = [], []
    chosen = choose_files(remote.files, _read_matter(hub, remote, staging), config, remote.repo)
    for name, published in chosen.items():
        split = find_split(PurePosixPath(published or name)) or source.split
        count = 0
        path = hub.fetch(remote, name, staging, allowance)
        for raw in _read_rows(path, f"{remote.repo}/{name}", allowance):
            count += 1
            columns |= raw.values.keys()
            row = read_row(source, raw, Options())
            if isinstance(row, Rejected):
                rejected.append(row)
            else:
                records[split].append(row)
        declared.append(f"published split: {name} is {split} ({count:,} rows)")
        if path.suffix.lower() != ".parquet" and (encoding := guess_encoding(path)):
            declared.append(f"{name}: read as {encoding.upper()}, which was guessed: it is not UTF-8")
    numbered = iter(number_ids([record for split in SPLITS for record in records[split]]))
    splits = {split: [next(numbered) for _ in rows] for split, rows in records.items() if rows}
    if not splits and rejected:
        refuse_all(rejected)
    if not splits:
        raise ShortfallError(f"{remote.repo}: none of its rows can be a record", hint="it must hold Alpaca rows")
    origin = f"pulled from {remote.repo}, commit {remote.head}; its licence and terms hold"
    every = [record for rows in splits.values() for record in rows]
    manifest = make_manifest(out.name, f"pull {remote.repo}", settings, every, (origin, *declared))
    content = SetContent(splits=splits, rejected=rejected, chunks=[], manifest=manifest)
    changed = write_anew(out, content, replace=replace)
    left_out = sorted(columns - source.columns)
    notes = [f"columns left out: {', '.join(left_out)}"] if left_out else []
    return changed, dict(Counter(row.reason for row in rejected)), notes


def _read_matter(hub: Hub, remote: Remote, staging: Path) -> Mapping[str, Any]:
    """The front matter of the card; empty where there is none that can be read."""
    if CARD not in remote.files:
        return {}
    return read_matter(hub.fetch(remote, CARD, staging).read_bytes().decode(errors="replace"))


def choose_files(
    names: Iterable[str], matter: Mapping[str, Any], config: str | None, repo: str
) -> dict[str, str | None]:
    """The files that hold the rows, in their order, and the split that the front matter says each is of.

    Where it names no files, they are all those of one kind: Parquet, else JSON, else CSV.

    Raises:
        UsageError: there are none, or several forms and none was named.
    """
    listed = matter.get("configs")
    forms = {
        str(mapping(each).get("config_name")): mapping(each) for each in (listed if isinstance(listed, list) else ())
    }
    names = sorted(name for name in names if Path(name).suffix.lower() in KINDS and not _is_about_rows(name))
    chosen: dict[str, str | None] = {}
    if forms:
        form = config or next((name for name, each in forms.items() if each.get("default")), None)
        form = form or ("default" if "default" in forms or len(forms) > 1 else next(iter(forms)))
        if form not in forms:
            said = f"no form {config!r}" if config else "several forms"
            raise UsageError(f"{repo}: {said}; it has {', '.join(forms)}", hint="name one with --config")
        patterns = list(islice(_patterns(forms[form]), MOST_PATTERNS + 1))
        if len(patterns) > MOST_PATTERNS:
            raise UsageError(f"{repo}: more than {MOST_PATTERNS} patterns of files", hint="have its owner name fewer")
        for split, pattern in patterns:
            chosen |= {name: split for name in names if fnmatch(name, pattern)}
    elif config:
        raise UsageError(f"{repo}: no form {config!r}; it has only one", hint="pull it without --config")
    else:
        kind = min((KINDS[Path(name).suffix.lower()] for name in names), default=None)
        chosen = {name: None for name in names if KINDS[Path(name).suffix.lower()] == kind}
    if not chosen:
        raise UsageError(f"{repo}: it holds no Parquet, JSON or CSV", hint="only these are read; no script is run")
    return chosen


def _is_about_rows(name: str) -> bool:
    return name in (MANIFEST, INFO, "dataset_infos.json") or any(part.startswith(".") for part in name.split("/"))


def _patterns(form: Mapping[str, Any]) -> Iterator[tuple[str | None, str]]:
    """(split, pattern of file names) of a form, in each of the ways that the Hub's cards have for it."""
    folder = f"{form['data_dir']}/" if isinstance(form.get("data_dir"), str) else ""
    listed = form.get("data_files") or "*"
    for each in listed if isinstance(listed, list) else [listed]:
        split, paths = (
            (mapping(each).get("split"), mapping(each).get("path")) if isinstance(each, dict) else (None, each)
        )
        for path in paths if isinstance(paths, list) else [paths]:
            yield (str(split) if split else None), folder + str(path).replace("**/", "*")


def _read_rows(path: Path, name: str, allowance: Allowance) -> Iterator[Raw]:
    if path.suffix.lower() == ".parquet":
        yield from read_parquet(path, name, allowance)
        return
    for raw in read_each(path):
        allowance.take(name, rows=1)
        yield dataclasses.replace(raw, file=name)
