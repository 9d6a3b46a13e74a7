"""`fingen demo`'s page in Chromium: asked by keyboard, stopped, looked at in three sizes; hostile texts do nothing."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("transformers", reason="the extra [train] is not installed")
pytest.importorskip("uvicorn", reason="the extra [review] is not installed")
pytest.importorskip("websockets", reason="nothing steers a browser here")

from asked_models import TEXTS, make_workplace
from browser import need_chromium
from served import Server, serving
from small_models import make_base
from steering import Browser
from stub_llm import StubLLM

from fingen.disk import sha256_file
from fingen.serving.page import STATIC

ROOT = Path(__file__).resolve().parent.parent
AXE = ROOT / "tests" / "node_modules" / "axe-core" / "axe.min.js"
PICTURES = ROOT / "build" / "test-artefacts"
HOSTILE = "<script>hurt=1</script><img src=x onerror=hurt=1><a href=javascript:hurt=1>a</a>\u202egnol\u2066\u200b{{7*7}}</li></main>"
SCREENS = {"phone": (390, 844), "tablet": (1000, 800), "desk": (1600, 950)}
REPLY = (
    "Revenue for the fiscal year ended December 31, 2024 was RMB 1,234.0 million, against RMB 1,108.0 million the year before. "
    "That is a rise of 19.4 percent."
)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need_chromium()
    folder = make_workplace(tmp_path_factory.mktemp("page"))
    make_base(folder / "talker", TEXTS, talks=True)
    return folder


@pytest.fixture(scope="module")
def server(workplace: Path, sample_set: Path) -> Iterator[Server]:
    with StubLLM(reply=lambda body: REPLY) as stub:
        ways = (
            "--set",
            sample_set,
            "--input",
            ROOT / "raw",
            "--max-tokens",
            40,
            "--teacher",
            "openai:gpt-6-luna",
            "--price",
            "1,2",
        )
        with serving(
            "demo", "talker", "build/adapters/intent-silent", *ways, "--base-url", stub.openai_url, cwd=workplace
        ) as server:
            yield server


@pytest.fixture
def browser() -> Iterator[Browser]:
    with Browser() as browser:
        yield browser


def opened(browser: Browser, server: Server, language: str = "en", size: tuple[int, int] = SCREENS["desk"]) -> Browser:
    browser.resize(*size)
    browser.open(f"{server.url}/?token={server.token}&language={language}")
    browser.wait_for(
        "document.querySelectorAll('#models input').length > 0 && document.activeElement.id === 'question'"
    )
    return browser


def asked(browser: Browser, text: str, *models: str) -> None:
    """Type a question for some models, and wait until all have answered."""
    browser.run(
        f"document.querySelectorAll('#models input').forEach(box => {{ box.checked = {list(models)!r}.includes(box.value) }})"
    )
    browser.run("document.querySelector('#question').focus()")
    browser.type(text)
    browser.press("Enter")
    ended(browser)


def ended(browser: Browser) -> None:
    """Wait until all have answered and the page takes the next question, which is a moment after the last answer."""
    browser.wait_for(
        "document.querySelectorAll('.answer').length > 0 && !document.querySelector('.answer[aria-busy=true]')"
        " && document.querySelector('#stop').hidden"
    )


def texts(browser: Browser, selector: str) -> list[str]:
    found: list[str] = browser.run(f"[...document.querySelectorAll({selector!r})].map(each => each.innerText)")
    return found


def test_a_question_typed_is_answered_side_by_side_in_turns(browser: Browser, server: Server):
    opened(browser, server)
    asked(browser, "What was revenue?", "talker", "silent")
    asked(browser, "And then?", "talker", "silent")
    said = server.answers(["talker"], "What was revenue?")["talker"]
    later = server.answers(["talker"], "And then?", turns={"talker": [said["put"], said["text"]]})["talker"]

    assert texts(browser, ".asked .text") == ["What was revenue?", "And then?"]
    assert [text.strip() for text in texts(browser, "[data-model=talker] .body")] == [
        said["text"].strip(),
        later["text"].strip(),
    ]
    assert "tokens" in texts(browser, "[data-model=talker] .state")[0]
    assert not browser.logged
    browser.run("document.querySelector('#anew').click()")
    assert texts(browser, "#turns > li") == []


def test_escape_stops_what_is_written(workplace: Path, browser: Browser):
    with serving("demo", "talker", "--max-tokens", 4000, cwd=workplace) as server:
        opened(browser, server)
        browser.type("What was revenue?")
        browser.press("Enter")
        browser.wait_for("document.querySelector('.answer .body').textContent.length > 40")
        browser.press("Escape")
        ended(browser)

        assert texts(browser, ".state")[0].startswith("stopped")


def test_an_example_comes_with_its_passage_page_and_reference_and_its_figures_are_coloured(
    browser: Browser, server: Server
):
    opened(browser, server)
    ask_example(browser, "openai")
    browser.run("document.querySelector('.agree').click()")
    ended(browser)

    assert {kind: texts(browser, f".answer .body .{kind}") for kind in ("bound", "wrong")} == {
        "bound": ["RMB 1,234.0 million", "RMB 1,108.0 million"], "wrong": ["19.4 percent"],
    }  # fmt: skip
    assert "2 bound" in texts(browser, ".count")[0]
    assert texts(browser, ".found .wrong") == ["19.4 percent"]
    assert not browser.run("document.querySelector('.reference').open")
    assert "1,234.0" in browser.run("document.querySelector('.reference .text').textContent")
    assert browser.run("document.querySelector('#passage img').naturalWidth") > 100
    assert not browser.logged


def ask_example(browser: Browser, model: str) -> None:
    """Ask the first example about revenue of the models whose names begin so."""
    browser.run(
        f"document.querySelectorAll('#models input').forEach(box => {{ box.checked = box.value.startsWith({model!r}) }})"
    )
    browser.run("document.querySelector('#examples').open = true")
    browser.wait_for("document.querySelector('#examples .list button')")
    browser.run(
        "[...document.querySelectorAll('#examples .list button')].find(each => each.innerText.startsWith('How much was the revenue')).click()"
    )
    browser.wait_for("!document.querySelector('#passage').hidden && document.querySelector('#passage img')?.complete")
    browser.run("document.querySelector('#question').focus()")
    browser.press("Enter")
    ended(browser)


def test_options_are_bars(browser: Browser, server: Server):
    opened(browser, server)
    asked(browser, "my card is blocked", "intent-silent")
    shares = browser.run("[...document.querySelectorAll('.options progress')].map(bar => bar.value)")

    assert len(shares) > 2
    assert sum(shares) == pytest.approx(1)
    assert len(texts(browser, ".options li.most")) == 1


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_every_screen_and_is_looked_at(language: str, dark: bool, browser: Browser, server: Server):
    opened(browser, server, language)
    asked(browser, "my card is blocked", "intent-silent", "silent")
    ask_example(browser, "")
    if agree := browser.run("Boolean(document.querySelector('.agree'))"):
        browser.run("document.querySelector('.agree').click()")
        ended(browser)
    for name, (width, height) in SCREENS.items():
        browser.resize(width, height, dark=dark)
        browser.run("document.querySelector('#turns > li:last-child').scrollIntoView()")
        browser.take_picture(PICTURES / f"demo-{name}-{'dark' if dark else 'light'}-{language}.png")

        assert browser.run("document.documentElement.scrollWidth") <= width
    browser.run("scrollTo(0, 0)")
    browser.take_picture(PICTURES / f"demo-top-{'dark' if dark else 'light'}-{language}.png")

    assert agree in (True, False)
    assert browser.run("document.documentElement.lang") == {"en": "en", "zh": "zh-CN"}[language]
    assert not browser.logged


def test_both_languages_say_everything_and_nothing_is_said_in_keys(browser: Browser, server: Server):
    opened(browser, server)
    words = browser.run("import('/demo/texts.js').then(({ TEXTS }) => TEXTS)")
    page = (STATIC / "demo.html").read_text(encoding="utf-8")
    script = (STATIC / "demo.js").read_text(encoding="utf-8")
    used = {*re.findall(r'data-(?:t|label|placeholder)="(\w+)"', page), *re.findall(r'\bt\("([\w-]+)"\)', script)}

    assert list(words["en"]) == list(words["zh"])
    assert used <= set(words["en"])


def test_axe_finds_no_serious_fault(browser: Browser, server: Server):
    if not AXE.is_file():
        pytest.skip("axe-core is not installed; `npm ci --prefix tests` does")
    for width, dark in ((1600, False), (1600, True), (390, False)):
        opened(browser, server, size=(width, 900))
        browser.resize(width, 900, dark=dark)
        asked(browser, "my card is blocked", "intent-silent")
        ask_example(browser, "openai")
        if browser.run("Boolean(document.querySelector('.agree'))"):
            browser.run("document.querySelector('.agree').click()")
            ended(browser)
        browser.send("Page.setBypassCSP", enabled=True)
        browser.run(AXE.read_text(encoding="utf-8") + ";0")
        found = browser.run(
            "axe.run(document, {resultTypes: ['violations']}).then(told => told.violations.map("
            "each => ({id: each.id, impact: each.impact, nodes: each.nodes.map(node => node.html).slice(0, 3)})))"
        )
        assert not [each for each in found if each["impact"] in ("serious", "critical")], (width, dark)


def test_hostile_texts_are_shown_and_do_nothing(browser: Browser, workplace: Path, sample_set: Path, tmp_path: Path):
    folder = tmp_path / "<img src=x onerror=hurt=1>"
    shutil.copytree(sample_set, folder)
    poison(folder, "chunks.jsonl", lambda row: row | {"text": row["text"] + HOSTILE, "section": [HOSTILE]})
    for split in ("test.jsonl", "validation.jsonl"):
        if (folder / split).is_file():
            poison(
                folder,
                split,
                lambda row: row | {"instruction": HOSTILE + row["instruction"], "output": HOSTILE + row["output"]},
            )
    make_base(tmp_path / "<b onmouseover=hurt=1>", TEXTS, talks=True)
    with StubLLM(reply=lambda body: HOSTILE + REPLY + HOSTILE) as stub:
        ways = (
            "--set",
            folder,
            "--input",
            ROOT / "raw",
            "--max-tokens",
            4,
            "--teacher",
            "openai:gpt-6-luna",
            "--price",
            "1,2",
        )
        with serving(
            "demo", tmp_path / "<b onmouseover=hurt=1>", *ways, "--base-url", stub.openai_url, cwd=workplace
        ) as server:
            opened(browser, server)
            browser.run("document.querySelector('#passages').open = true")
            browser.wait_for(
                "document.querySelector('#passages .list button') && document.querySelector('#examples .list button')"
            )
            browser.run("document.querySelector('#examples .list button').click()")
            browser.wait_for(
                "!document.querySelector('#passage').hidden && document.querySelector('#passage img')?.complete"
            )
            browser.run("document.querySelector('#question').focus()")
            browser.press("Enter")
            ended(browser)
            browser.run("document.querySelector('.agree').click()")
            ended(browser)
            browser.run("document.querySelectorAll('details').forEach(each => { each.open = true })")
            shown = browser.run("document.body.innerText")

            assert browser.run("typeof hurt") == "undefined"
            assert (
                browser.run(
                    "document.querySelectorAll('main script, main img, aside img, b, a[href^=javascript]').length"
                )
                == 0
            )
            assert not {"\u202e", "\u2066", "\u200b"} & set(shown)
            assert shown.count("<script>hurt=1</script>") >= 5  # question, answer, reference, passage, lists
            assert "\\u202e" in shown
            assert "{{7*7}}" in shown
            assert not browser.logged


def poison(folder: Path, name: str, change: Any) -> None:
    """Change the rows of a file of a set, and what its manifest says of the file."""
    path = folder / name
    rows = [change(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"][name]["sha256"] = sha256_file(path)
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
