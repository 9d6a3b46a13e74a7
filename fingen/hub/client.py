"""The seam to the Hub: who we are, what is there, one commit, one file. Foreign errors end here, and so do tokens.

The errors of `huggingface_hub` carry the request with its headers, and so the token: what leaves this module are
HubErrors made here, with no other error behind them.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import sys
import time
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from json import JSONDecodeError
from pathlib import Path
from typing import Any, Literal, TypeVar

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_session, get_token
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled
from huggingface_hub.utils import disable_progress_bars, hf_raise_for_status, validate_repo_id  # type: ignore[attr-defined]  # not in __all__

from fingen.disk import is_inner_path, sha256_file
from fingen.errors import HubError, UsageError, redact
from fingen.rows import YAML_BYTES, Allowance, parse_yaml
from fingen.wire import MESSAGE_CHARACTERS, Secret, is_from_http, mapping, parse_retry_after

TOKENS_PAGE = "https://huggingface.co/settings/tokens"
LOG_IN = f"make a token with write permission at {TOKENS_PAGE}, then: hf auth login, or: export HF_TOKEN=..."
AGAIN = "run the same command again: it goes on where it was"
TIMEOUT_SECONDS = 120.0  # without a byte
FIRST_WAIT_SECONDS = 1.0  # before a call is made again; doubled each time
MOST_WAIT_SECONDS = 60.0  # that a server may ask for
ATTEMPTS = 5
RETRYABLE = frozenset({408, 429})  # and all from 500 on
BAD_REQUEST = 400
STALE = 412  # somebody else has committed since
BRANCH = "main"
READ_BYTES = 1 << 20  # at once
ABOUT_BYTES = 64 << 20  # that a manifest or card may have
T = TypeVar("T")
_FRONT_MATTER = re.compile(r"\s*---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|$)", re.DOTALL)
_MOST_BYTES = ContextVar("most bytes of an answer", default=ABOUT_BYTES)
ENDLESS = "see whether HF_ENDPOINT is a Hub; of a large data set more is taken with --max-mib"


class _EndlessError(Exception):
    """An answer has more bytes than are wanted."""


@dataclass(frozen=True)
class Account:
    """Whose token it is, and where it may write: the user and the organisations."""

    name: str
    owners: frozenset[str]


@dataclass(frozen=True)
class RemoteFile:
    """A file in a repository. Large ones are known by their SHA-256, others by the hash that git gives them."""

    size: int  # bytes
    git_sha1: str | None
    sha256: str | None


@dataclass(frozen=True)
class Remote:
    """A repository as it is: its last commit, and its files by path."""

    repo: str
    head: str
    private: bool
    files: dict[str, RemoteFile]

    def holds(self, name: str, path: Path) -> bool:
        """Whether the file of that name has the content of the one at `path`."""
        there = self.files.get(name)
        if there is None or there.size != path.stat().st_size:
            return False
        return there.sha256 == sha256_file(path) if there.sha256 else there.git_sha1 == _git_sha1(path)


def _git_sha1(path: Path) -> str:
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while data := file.read(READ_BYTES):
            digest.update(data)
    return digest.hexdigest()


def read_matter(card: str) -> Mapping[str, Any]:
    """The front matter of a card; empty where there is none that can be read, or none of the size of one."""
    front = _FRONT_MATTER.match(card[:YAML_BYTES])
    try:
        return mapping(parse_yaml(front[1])) if front else {}
    except ValueError:
        return {}


def _size(said: object) -> int:
    """A size as it can be; of one that cannot, nothing is known before the file is there."""
    return said if type(said) is int and said >= 0 else 0


def _bound(response: Any) -> None:
    """Have the body of an answer broken off where it is longer than is wanted, unpacked: it may have no end."""
    pieces, most_bytes = response.iter_bytes, _MOST_BYTES.get()

    def iter_bytes(*arguments: Any, **options: Any) -> Iterator[bytes]:
        received = 0
        for piece in pieces(*arguments, **options):
            received += len(piece)
            if received > most_bytes:
                raise _EndlessError(f"more than the {most_bytes:,} bytes that may be taken")
            yield piece

    response.iter_bytes = iter_bytes


def check_repo_id(repo: str) -> None:
    """Refuse what cannot be the id of a repository.

    Raises:
        UsageError: it cannot.
    """
    try:
        validate_repo_id(repo)
    except HFValidationError as e:
        why = str(e).partition(":")[0].rstrip(".")
        raise UsageError(
            f"{repo}: no id of a repository: {why}",
            hint="write it like you/finance-intent: ASCII letters, digits, - _ .",
        ) from e


class Hub:
    """The Hub, or a mirror of it (HF_ENDPOINT), as one user sees it. What fails for a moment is tried again.

    `kind` is what its repositories hold: a set is a dataset, an adapter a model.
    """

    def __init__(self, *, kind: Literal["dataset", "model"] = "dataset", quiet: bool = False) -> None:
        """Take the token that `huggingface_hub` finds: HF_TOKEN, else the one stored by `hf auth login`.

        Raises:
            HubError: it cannot be read, or cannot be a token.
        """
        for library in (
            "huggingface_hub",
            "httpx2",
            "httpcore2",
        ):  # they log signed addresses; this class says what went wrong
            logging.getLogger(library).setLevel(logging.ERROR)
        if quiet or not sys.stderr.isatty():
            disable_progress_bars()
        self._kind = kind
        self._secret = Secret("")
        token = self._once("the token", get_token)
        if not all("!" <= char <= "~" for char in token or ""):
            raise HubError("HF_TOKEN holds a space or a character that no token has", hint="copy the token again")
        self._secret = Secret(token or "")
        self._api = HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None, token=token or False)

    @property
    def is_anonymous(self) -> bool:
        """Whether there is no token."""
        return self._secret.is_empty

    def url(self, repo: str) -> str:
        """Where people see a repository."""
        return f"{redact(self._api.endpoint)}/{'datasets/' if self._kind == 'dataset' else ''}{repo}"

    def log_in(self) -> Account:
        """Ask the Hub whose token it is.

        Raises:
            HubError: there is no token, it is not accepted, it may only read, or the Hub cannot be reached.
        """
        if self._secret.is_empty:
            raise HubError("no token for the Hub: HF_TOKEN is not set, and nobody is logged in", hint=LOG_IN)
        about = self._patiently("log in", self._api.whoami)
        name = about.get("name")
        if not isinstance(name, str) or not name:
            raise HubError("log in: the Hub does not say whose token it is", hint=LOG_IN)
        role = mapping(mapping(about.get("auth")).get("accessToken")).get("role")
        if role == "read":
            raise HubError(f"the token of {name} may only read", hint=LOG_IN)
        organisations = [mapping(each).get("name") for each in about.get("orgs") or ()]
        return Account(name, frozenset([name, *filter(None, organisations)]))

    def look(self, repo: str, revision: str | None = None) -> Remote | None:
        """A repository as it is; None where there is none, or none that the token may see.

        Raises:
            HubError: the Hub refuses or cannot be reached.
        """

        def ask() -> Any:
            return self._api.repo_info(
                repo, repo_type=self._kind, revision=revision, files_metadata=True, timeout=TIMEOUT_SECONDS
            )

        try:
            info = self._patiently(f"look at {repo}", ask)
        except HubError as e:
            if e.status == 404 or (e.status == 401 and self._secret.is_empty):
                return None
            raise
        files = {
            each.rfilename: RemoteFile(_size(each.size), each.blob_id, each.lfs.sha256 if each.lfs else None)
            for each in info.siblings or ()
        }
        return Remote(repo, info.sha or "", bool(info.private), files)

    def check_card(self, card: str) -> list[str]:
        """Have the Hub look at the front matter of a card; what it warns of.

        Raises:
            UsageError: it does not take the card. HubError: the Hub refuses or cannot be reached.
        """

        def ask() -> Any:
            address = f"{self._api.endpoint}/api/validate-yaml"
            answer = get_session().post(address, json={"repoType": self._kind, "content": card})
            if answer.status_code != BAD_REQUEST:
                hf_raise_for_status(answer)
            return answer.json()

        said = mapping(self._patiently("have the card checked", ask))
        errors, notes = (
            [str(mapping(each).get("message"))[:MESSAGE_CHARACTERS] for each in said.get(name) or ()]
            for name in ("errors", "warnings")
        )
        if errors:
            raise UsageError(
                f"the Hub does not take the card: {'; '.join(errors)}", hint="is --license one that the Hub knows?"
            )
        return notes

    def create(self, repo: str, *, private: bool) -> Remote:
        """Make a repository, if it is not there.

        Raises:
            HubError: the Hub refuses or cannot be reached.
        """
        make = f"make {repo}"
        self._patiently(make, lambda: self._api.create_repo(repo, repo_type=self._kind, private=private, exist_ok=True))
        made = self.look(repo)
        if made is None:
            raise HubError(f"{make}: it was made, and cannot be seen", hint=LOG_IN)
        return made

    def publish(self, repo: str) -> None:
        """Let everybody see a repository.

        Raises:
            HubError: the Hub refuses or cannot be reached.
        """
        self._patiently(
            f"make {repo} public", lambda: self._api.update_repo_settings(repo, private=False, repo_type=self._kind)
        )

    def commit(self, remote: Remote, files: Mapping[str, Path], gone: Collection[str], message: str) -> str:
        """Write files and remove others in one commit on top of `remote.head`; its hash.

        Large files are sent before it, if the Hub does not have them. Where the answer to a commit is lost, it is sent
        again: the Hub then takes it or says that the head has moved, and it stays one commit.

        Raises:
            HubError: the Hub refuses or cannot be reached; its status is STALE where the head has moved.
        """
        adds = [CommitOperationAdd(name, str(path)) for name, path in files.items()]
        removes = [CommitOperationDelete(name, is_folder=False) for name in gone]
        self._once(  # the client tries this again by itself
            f"upload to {remote.repo}",
            lambda: self._api.preupload_lfs_files(remote.repo, adds, repo_type=self._kind, free_memory=False),
        )

        def send() -> str:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about the card: `check_card` says them
                made = self._api.create_commit(
                    remote.repo,
                    [*adds, *removes],
                    commit_message=message,
                    repo_type=self._kind,
                    revision=BRANCH,
                    parent_commit=remote.head or None,
                )
            return made.oid

        return self._patiently(f"commit to {remote.repo}", send)

    def fetch(self, remote: Remote, name: str, folder: Path, allowance: Allowance | None = None) -> Path:
        """Bring a file into a folder; one that is there already is not brought again.

        What says something about the others, such as a card, is brought without an `allowance`: it is small, or is refused.

        Raises:
            UsageError: its name leads out of the folder, or it is larger than is allowed.
            HubError: the Hub refuses or cannot be reached.
        """
        where = f"{remote.repo}/{name}"
        if not is_inner_path(name):
            raise UsageError(f"{where}: no path within its folder", hint="have its owner name the file otherwise")
        allowance = allowance or Allowance(0, ABOUT_BYTES, "have its owner see to it")
        allowance.take(where, size=remote.files[name].size)

        def bring() -> str:
            before = _MOST_BYTES.set(remote.files[name].size + allowance.bytes)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of a disk that is too small: it is told where it is full
                    return self._api.hf_hub_download(
                        remote.repo, name, repo_type=self._kind, revision=remote.head, local_dir=folder
                    )
            finally:
                _MOST_BYTES.reset(before)

        path = Path(self._patiently(f"fetch {name} of {remote.repo}", bring))
        if (more := path.stat().st_size - remote.files[name].size) > 0:  # than it was said to have
            allowance.take(where, size=more)
        return path

    def _patiently(self, what: str, call: Callable[[], T]) -> T:
        """Call, and again where that may help."""
        wait = FIRST_WAIT_SECONDS
        for _ in range(ATTEMPTS - 1):
            try:
                return self._once(what, call)
            except HubError as e:
                if not e.retryable:
                    raise
                time.sleep(min(e.retry_after or wait, MOST_WAIT_SECONDS))
                wait *= 2
        return self._once(what, call)

    def _once(self, what: str, call: Callable[[], T]) -> T:
        try:
            session = get_session()
            session.timeout = TIMEOUT_SECONDS  # the client has none, and a new session after each broken one
            hooks = session.event_hooks
            if _bound not in hooks["response"]:
                session.event_hooks = {**hooks, "response": [*hooks["response"], _bound]}
            return call()
        except Exception as e:
            if (error := self._typed(what, e)) is None:
                raise
        raise error  # out of reach of the other, which holds the token

    def _typed(self, what: str, error: BaseException) -> HubError | None:
        """What a foreign error means; None for one that has nothing to do with the Hub."""
        for cause in _chain(error):
            if isinstance(cause, HfHubHTTPError) and getattr(cause, "response", None) is not None:
                return self._refused(what, cause)
            if isinstance(cause, _EndlessError):
                return HubError(f"{what}: {cause}", hint=ENDLESS)
            if isinstance(cause, OfflineModeIsEnabled):
                return HubError(f"{what}: HF_HUB_OFFLINE is set", hint="unset it, then run the same command again")
            if is_from_http(cause) or isinstance(cause, ConnectionError | TimeoutError):
                return self._broken(what, f"cannot reach {self._where()}: {cause or type(cause).__name__}")
        if isinstance(error, OSError) and error.errno is not None:
            return None  # this machine's disk
        if isinstance(error, ValueError) and not isinstance(error, JSONDecodeError):
            return self._invalid(what, str(error))
        if isinstance(error, OSError | RuntimeError | ValueError | LookupError | TypeError | AttributeError):
            return self._broken(what, ": ".join(str(each) or type(each).__name__ for each in _chain(error)))
        return None

    def _where(self) -> str:
        return redact(os.environ.get("HF_ENDPOINT") or "the Hub")

    def _broken(self, what: str, why: str) -> HubError:
        shown = " ".join(self._secret.mask(why).split())[:MESSAGE_CHARACTERS]
        return HubError(f"{what}: {shown}", hint=f"see that the network is up, then {AGAIN}", retryable=True)

    def _invalid(self, what: str, why: str) -> HubError:
        shown = " ".join(self._secret.mask(why).split())[:MESSAGE_CHARACTERS]
        return HubError(f"{what}: {shown}", hint="see what the Hub says: it may not take the card, or the --license")

    def _refused(self, what: str, error: HfHubHTTPError) -> HubError:
        status, headers = error.response.status_code, error.response.headers
        said = " ".join(self._secret.mask(error.server_message or "").split())[:MESSAGE_CHARACTERS]
        # The message about a wrong token may quote a part of it, which no mask finds.
        return HubError(
            f"{what}: status {status}" + (f": {said}" if said and status != 401 else ""),
            hint=_hint(status),
            status=status,
            retryable=status in RETRYABLE or status >= 500,
            retry_after=parse_retry_after(headers),
        )


def _chain(error: BaseException | None) -> list[BaseException]:
    """An error and those that it came of: the client wraps what fails in its threads."""
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__
    return found


def _hint(status: int) -> str:
    if status == 401:
        return f"the token was not accepted: {LOG_IN}"
    if status == 403:
        return f"the token may not do this: {LOG_IN}"
    if status == 404:
        return "compare the name with the page of the repository; a private one needs a token that may see it"
    if status in RETRYABLE or status >= 500:
        return AGAIN
    if status == STALE:
        return f"somebody else has committed meanwhile; {AGAIN}"
    return "see what the Hub says; the card or the name may not be to its liking"
