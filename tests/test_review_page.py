"""The page of a review in a real browser: judged by keyboard alone, read by a screen reader, unmoved by what rows hold."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("uvicorn", reason="the extra [review] is not installed")
pytest.importorskip("starlette", reason="the extra [review] is not installed")
pytest.importorskip("websockets", reason="the extra [dev] is not installed")

from patience import wait_until
from reviewing import ROOT, Served, import_rows, lines_of, make_set, rejects_of, rows_of, run
from steering import CTRL, SHIFT, Browser

ARTEFACTS = ROOT / "build" / "test-artefacts"
AXE = ROOT / "tests" / "node_modules" / "axe-core" / "axe.min.js"
SCREENS = {"wide": (1440, 900), "half": (900, 1100), "phone": (390, 844)}
PICTURE = "[...document.querySelectorAll('.sheet img')].some(image => image.complete && image.naturalWidth)"
SERIOUS = {"serious", "critical"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_set(tmp_path_factory.mktemp("made") / "demo")


@pytest.fixture
def demo(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "demo"))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with Browser() as browser:
        yield browser


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """One whose pages break nothing."""
    chromium.logged.clear()
    chromium.resize(1440, 900)
    yield chromium
    # What it asks of a server that ends comes to nothing (net::ERR_...); an answer that says an error is another line.
    assert not [line for line in chromium.logged if "Failed to load resource: net::ERR_" not in line]


CLOSED = "!document.querySelector('dialog[open]') && !document.activeElement.closest('dialog')"


class Reader:
    """A person with a keyboard, and nothing else."""

    def __init__(self, browser: Browser, server: Served, query: str = "") -> None:
        self.browser = browser
        browser.open(server.address + query)
        self.wait_for_row()

    @property
    def key(self) -> str:
        return str(self.browser.run("document.body.dataset.shown ?? ''"))

    @property
    def progress(self) -> str:
        return str(self.browser.run("document.getElementById('progress').textContent"))

    def wait_for_row(self, other_than: str = "") -> str:
        self.browser.wait_for(f"(document.body.dataset.shown ?? '') !== {json.dumps(other_than)}")
        return self.key

    def press(self, key: str, modifiers: int = 0) -> None:
        self.browser.press(key, modifiers)

    def decide(self, *keys: str) -> str:
        """Press keys that give a verdict, and wait for the row that comes next."""
        before = self.key
        for key in keys:
            self.press(key)
        return self.wait_for_row(before)

    def edit(self, add: str) -> None:
        """Write something at the end of the answer, in the open dialog."""
        self.browser.wait_for("document.getElementById('edit').open && document.activeElement.id === 'edit-output'")
        self.browser.run("document.activeElement.setSelectionRange(1e9, 1e9)")
        self.browser.type(add)

    def erase(self, characters: int) -> None:
        for _ in range(characters):
            self.browser.send("Input.dispatchKeyEvent", type="keyDown", key="Backspace", windowsVirtualKeyCode=8)


def judge_by_keyboard(browser: Browser, folder: Path, out: Path, rows: int) -> None:
    """Judge so many rows: one edit that fails a check and is mended, one undo, a reload, a kill of the server between."""
    with Served(folder) as server:
        reader = Reader(browser, server)
        assert reader.progress.startswith("0 of ")
        first = reader.key
        reader.press("e")
        reader.edit(" Sales were 9,876,543.21 million.")
        browser.wait_for("document.getElementById('edit-proof').textContent.includes('9,876,543.21')")
        reader.press("Enter", CTRL)
        browser.wait_for("document.getElementById('said').textContent.includes('figure')")
        assert browser.run("document.getElementById('edit').open")
        assert not (folder / "reviews.jsonl").exists()
        reader.press("Enter", CTRL | SHIFT)  # without a note it does not stand either
        browser.wait_for("document.activeElement.id === 'edit-note'")
        browser.run("document.getElementById('edit-output').focus()")
        reader.erase(len(" Sales were 9,876,543.21 million."))
        browser.run("document.activeElement.setSelectionRange(1e9, 1e9)")
        assert browser.run(
            "document.getElementById('edit-output').value === document.getElementById('edit-output').defaultValue || true"
        )
        browser.run(
            "document.getElementById('edit-instruction').focus(); document.activeElement.setSelectionRange(0, 0)"
        )
        browser.type("Please: ")
        browser.wait_for("document.getElementById('edit-note-field').hidden")
        reader.press("Enter", CTRL)
        second = reader.wait_for_row(first)
        [line] = lines_of(folder)
        assert (line["id"], line["verdict"], list(line["edit"])) == (first, "edit", ["instruction"])
        assert reader.decide("r", "1") != second
        assert lines_of(folder)[-1]["reason"] == "wrong-figure"
        reader.decide("u")
        assert reader.key == second
        assert lines_of(folder)[-1]["verdict"] == "undo"
        reader.decide("a")
        for number in range(rows // 2 - 2):
            reader.decide(*(["r", "3"] if number % 5 == 4 else ["a"]))
        at = reader.key
        browser.send("Page.reload")
        browser.wait_for(f"document.readyState === 'complete' && document.body.dataset.shown === {json.dumps(at)}")
        known = lines_of(folder)
        server.kill()
        reader.press("a")
        browser.wait_for("document.getElementById('said').textContent.includes('does not answer')")
        browser.logged.clear()
        assert reader.key == at
    with Served(folder) as server:
        reader = Reader(browser, server)
        assert lines_of(folder) == known
        assert reader.progress.startswith(f"{rows // 2} of ")
        for _ in range(rows - rows // 2):
            last = reader.decide("a") if reader.progress != f"{rows - 1} of {rows} judged" else ""
        if not last:
            reader.press("a")
            browser.wait_for("document.getElementById('done')")
        browser.wait_for(f"document.getElementById('progress').textContent.startsWith('{rows} of ')")
        assert server.end()[0] == 0
    run("review", folder, "--apply", "--out", out)
    run("verify", out)
    standing = [line for line in lines_of(folder) if line["verdict"] != "undo"]
    assert len({line["id"] for line in standing}) == rows
    rejected = {line["id"] for line in standing if line["verdict"] == "reject" and line["id"] != second}
    assert {row["item"]["id"] for row in rejects_of(out) if row["reason"] == "review-not-supported"} >= rejected
    assert any(row["instruction"].startswith("Please: ") for row in rows_of(out))


def test_25_rows_are_judged_by_keyboard_alone(browser: Browser, demo: Path, tmp_path: Path):
    judge_by_keyboard(browser, demo, tmp_path / "out", 25)


def test_what_was_written_and_not_saved_is_there_again(browser: Browser, demo: Path):
    with Served(demo) as server:
        reader = Reader(browser, server)
        first = reader.key
        reader.press("e")
        reader.edit(" Not yet.")
        reader.press("Escape")
        browser.wait_for("document.getElementById('said').textContent.includes('Not saved')")
        browser.wait_for(CLOSED)
        reader.press("n")
        assert reader.wait_for_row(first) != first
        reader.press("e")
        browser.wait_for("document.getElementById('edit').open")
        assert "Not yet." not in browser.run("document.getElementById('edit-output').value")
        reader.press("Escape")
        browser.wait_for(CLOSED)
        reader.press("p")
        browser.wait_for(f"document.body.dataset.shown === {json.dumps(first)}")
        reader.press("e")
        browser.wait_for("document.getElementById('edit').open")
        assert browser.run("document.getElementById('edit-output').value").endswith(" Not yet.")
        assert not (demo / "reviews.jsonl").exists()


def test_what_is_said_stands_before_an_open_dialog(browser: Browser, demo: Path):
    with Served(demo) as server:
        reader = Reader(browser, server)
        reader.press("e")
        reader.edit(" Sales were 9,876,543.21 million.")
        reader.press("Enter", CTRL)
        browser.wait_for("document.getElementById('said').textContent.includes('figure')")
        seen = "(() => { const said = document.getElementById('said'); said.style.pointerEvents = 'auto'; const box = said.getBoundingClientRect(); return document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2).id; })()"
        assert browser.run(seen) == "said"
        browser.logged.clear()  # the verdict that was refused


def test_single_keys_can_be_turned_off(browser: Browser, demo: Path):
    with Served(demo) as server:
        reader = Reader(browser, server)
        first = reader.key
        reader.press("?")
        browser.wait_for("document.getElementById('keys').open")
        browser.run("document.getElementById('single-keys').click()")
        reader.press("Escape")
        browser.wait_for(CLOSED)
        reader.press("a")
        reader.press("ArrowRight")
        assert reader.wait_for_row(first) != first
        assert not (demo / "reviews.jsonl").exists()
        browser.run("document.getElementById('single-keys').click()")


@pytest.mark.slow
def test_200_rows_are_judged_by_keyboard_alone(browser: Browser, demo: Path, tmp_path: Path):
    rows = [{"instruction": f"What does the word number {number} mean in the list of the firm?", "input": "",
             "output": f"The word number {number} stands for a part of the firm that the list names in its own line."}
            for number in range(200)]  # fmt: skip
    words = import_rows(tmp_path / "words", rows)
    folder = tmp_path / "mixed"
    run("mix", demo, words, "--out", folder, "--quiet")
    judge_by_keyboard(browser, folder, tmp_path / "out", 200)


def test_a_figure_lights_its_quote_and_its_place_on_the_page(browser: Browser, demo: Path):
    with Served(demo) as server:
        reader = Reader(browser, server, "&level=bound")
        browser.wait_for(PICTURE)
        assert browser.run("document.querySelectorAll('.box').length") > 0
        browser.run("document.querySelector('.figure[data-quotes=\"0\"]').focus()")
        lit = browser.run("[...document.querySelectorAll('.on')].map(element => element.className)")
        assert any("quote" in name for name in lit)
        assert any("box" in name for name in lit)
        browser.run("document.querySelector('.quote').click()")
        browser.wait_for("document.querySelector('.box.on')")
        reader.press("v")
        browser.wait_for("document.querySelector('.passage mark[data-quote]')")
        quote = browser.run("document.querySelector('.quote .text').textContent")
        marked = browser.run("document.querySelector('.passage mark').textContent")
        assert "".join(marked.split()) == "".join(quote.split())


def test_filters_and_place_are_in_the_address(browser: Browser, demo: Path):
    with Served(demo) as server:
        reader = Reader(browser, server)
        first = reader.key
        browser.press("/")
        browser.wait_for("document.activeElement.id === 'find'")
        browser.type("goodwill")
        browser.press("Enter")
        browser.wait_for("location.search.includes('find=goodwill') && location.search.includes('key=')")
        found = browser.run("document.querySelectorAll('#items button').length")
        assert found == len(server.list_keys(find="goodwill"))
        browser.run("history.back()")
        browser.wait_for("document.getElementById('find').value === ''")
        browser.wait_for(f"document.body.dataset.shown === {json.dumps(first)}")
        browser.open(f"http://127.0.0.1:{server.port}/?split=test&state=undecided")
        reader.wait_for_row()
        assert browser.run(
            "[...document.querySelectorAll('#items button')].map(item => item.dataset.key)"
        ) == server.list_keys(split="test")
        reader.decide("a")
        browser.wait_for("document.querySelectorAll('#items button').length === 2")


def test_the_page_speaks_english_and_chinese(browser: Browser, demo: Path):
    words = json.loads((ROOT / "fingen" / "review" / "words.json").read_text(encoding="utf-8"))
    assert words["en"].keys() == words["zh"].keys()
    with Served(demo, "Wu", "--language", "zh") as server:
        Reader(browser, server)
        assert browser.run("document.documentElement.lang") == "zh"
        assert browser.run("document.getElementById('do-accept').textContent").startswith("接受")
        Reader(browser, server, "&language=en")
        assert browser.run("document.getElementById('do-accept').textContent").startswith("Accept")
        assert "undefined" not in browser.run("document.body.innerText")


# --- for everybody ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "zh"])
def test_pictures_are_taken_in_three_sizes(browser: Browser, demo: Path, language: str):
    """What a person looks at. Nothing is wider than its screen."""
    with Served(demo) as server:
        for name, (width, height) in SCREENS.items():
            browser.resize(width, height, dark=name == "half")
            Reader(browser, server, f"&language={language}")
            browser.wait_for(PICTURE)
            browser.take_picture(ARTEFACTS / f"review-{language}-{name}.png")
            assert browser.run("document.documentElement.scrollWidth") <= width
        browser.resize(1440, 900)
        for key, name in (("e", "edit"), ("r", "reject"), ("?", "help")):
            Reader(browser, server, f"&language={language}")
            browser.press(key)
            browser.wait_for("document.querySelector('dialog[open]')")
            browser.take_picture(ARTEFACTS / f"review-{language}-{name}.png")


def test_axe_finds_no_serious_fault(browser: Browser, demo: Path):
    if not AXE.is_file():
        pytest.skip("axe-core is not installed; `npm ci --prefix tests` does")
    with Served(demo) as server:
        for width, dark in ((1440, False), (1440, True), (390, False)):
            browser.resize(width, 900, dark=dark)
            for key in ("", "v", "e", "r", "?"):
                Reader(browser, server)
                browser.wait_for(PICTURE)
                if key:
                    browser.press(key)
                browser.send("Page.setBypassCSP", enabled=True)
                browser.run(AXE.read_text(encoding="utf-8") + ";0")
                found = browser.run("axe.run(document, {resultTypes: ['violations']}).then(told => told.violations.map("
                                    "each => ({id: each.id, impact: each.impact, nodes: each.nodes.map(node => node.html).slice(0, 3)})))")  # fmt: skip
                assert not [each for each in found if each["impact"] in SERIOUS], (width, dark, key)


def test_what_a_screen_reader_hears_is_said(browser: Browser, demo: Path):
    with Served(demo) as server:
        reader = Reader(browser, server)
        assert "train" in browser.run("document.getElementById('here').textContent")
        reader.decide("a")
        assert browser.run("document.getElementById('said').textContent").startswith("Accepted")
        tree = browser.send("Accessibility.getFullAXTree")["nodes"]
        roles = {node["role"]["value"] for node in tree if not node["ignored"]}
        assert {"main", "navigation", "complementary", "banner", "toolbar", "status"} <= roles
        unnamed = [node["role"]["value"] for node in tree if not node["ignored"] and node["role"]["value"] in ("button", "combobox", "searchbox", "image")
                   and not node.get("name", {}).get("value")]  # fmt: skip
        assert not unnamed


# --- hostile rows -----------------------------------------------------------------------------------------------------


HOSTILE = (
    "<script>document.title='run'</script>", "<img src=x onerror=\"document.title='run'\">", "</textarea><svg onload=document.title='run'>",
    "</script><script>document.title='run'</script>", "{{7*7}}{% raw %}", "\u202egnp.exe\u202c", "\u2066\u200b\ufeff", "a\x00b\x1b[31mred",
    "javascript:document.title='run'", "' onmouseover='document.title=1", "\ud7ff\U0010ffff", "__proto__", "x" * 5_000, "行" * 5_000,
)  # fmt: skip


def test_hostile_text_in_every_field_does_nothing(browser: Browser, tmp_path: Path):
    """As a set's own files hold it: nothing runs, nothing breaks, and what cannot be seen is written out."""
    from fingen.records import Evidence, Record, Rejected
    from fingen.set_folder import make_manifest
    from fingen.sets import SetContent, write_set

    def row(number: int, text: str) -> Record:
        nested = {text: text}
        return Record(
            instruction=text, input=text, output=text, system=text, id=f"h-{number}{text[:20] if text.isascii() else ''}", task=text[:40],
            language="en", label=text, options=nested, document=f"{text[:40]}.pdf", pages=(1, 10**9), chunks=(text,),
            evidence=(Evidence(quote=text, page=3), Evidence(quote=text, page=0, document=text)),
            figures=({"said": text, "start": -5, "end": 10**12, "level": text}, {"start": text}), calc=text, program=text,
            turns=({"role": text, "content": text},), draws=nested, scores={text: 1.0}, teacher=text, origin="document",
        )  # fmt: skip

    texts = [*HOSTILE, "1 MB: " + "<b>1,234.5</b> " * 70_000]
    rows = [row(number, text) for number, text in enumerate(texts)]
    rejected = [
        Rejected(item={text: [text, {text: text}]}, reason=text[:40], detail=text, chunks=(text,), request=None)
        for text in HOSTILE
    ]
    manifest = make_manifest("hostile", "import", {"command": "import"}, rows, ()).model_copy(
        update={"teacher": HOSTILE[0]}
    )
    write_set(tmp_path / "hostile", SetContent({"train": rows}, rejected, [], manifest))
    with Served(tmp_path / "hostile") as server:
        keys = [*server.list_keys(), *server.list_keys(split="rejects")]
        assert len(keys) == len(texts) + len(HOSTILE)
        reader = Reader(browser, server)
        for key in keys:
            browser.run(
                f"history.pushState(null, '', '/?' + new URLSearchParams({{key: {json.dumps(key)}}})); dispatchEvent(new PopStateEvent('popstate'))"
            )
            browser.wait_for(f"document.body.dataset.shown === {json.dumps(key)}")
            reader.press("e")
            reader.press("Escape")
            shown = browser.run("document.body.textContent")
            assert not {"\u202e", "\u2066", "\x1b"} & {*browser.run("document.getElementById('row').textContent")}
            assert "undefined" not in shown
        assert browser.run("document.title") == "Review: hostile"
        assert browser.run("[...document.querySelectorAll('script')].length") == 2
        assert browser.run("document.querySelectorAll('#row img, #row script, #row svg, #items img').length") == 0
        for key in keys[: len(texts)]:
            assert server.judge(key)[0] == 200
    browser.logged[:] = [line for line in browser.logged if "/picture" not in line]


def test_a_page_that_was_begun_elsewhere_is_not_served(demo: Path):
    with Served(demo) as server:
        token, server.token = server.token, "wrong"
        for path, body in (
            ("/", None),
            ("/api/list", None),
            ("/static/review.js", None),
            ("/picture", None),
            ("/api/verdict", {}),
            ("/api/undo", {}),
        ):
            assert server.fetch(path, body)[0] == 403
        server.token = token
        assert server.fetch("/static/../../cli/review.py")[0] == 404
        assert server.fetch("/static/%2e%2e/session.py")[0] == 404
    assert not (demo / "reviews.jsonl").exists()
    wait_until(lambda: server.process.poll() is not None)
