"""`fingen demo`: the page where models answer side by side, and the server behind it, which speaks OpenAI's protocol too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from fingen.adapters import MANIFEST
from fingen.config import Demo
from fingen.disk import dump_json
from fingen.errors import FingenError, UsageError, visible
from fingen.records import Passage
from fingen.scoring.rows import ScoringItem
from fingen.scoring.tuned import own_sets
from fingen.serving.asks import Asking, Model, parse_ask
from fingen.serving.material import Material
from fingen.serving.models import LocalModel
from fingen.serving.protocol import ApiError, Protocol, read_json
from fingen.serving.serve import OpenPaths
from fingen.serving.teachers import TeacherModel
from fingen.serving.work import Work, run_beside, together
from fingen.web.server import serve_page, static_files

STATIC = Path(__file__).with_name("static")
SHOWN = 240  # characters of a question or passage in a list
Said = dict[str, Any]


def demo(
    settings: Demo, local: Sequence[LocalModel], teachers: Sequence[TeacherModel], port: int | None,
    say: Callable[[str], None], ready: Callable[[str], None],
) -> None:  # fmt: skip
    """Serve the page until Ctrl-C. Nothing is loaded, and nothing sent, before a question is asked.

    `say` hears what is known, `ready` the address.

    Raises:
        UsageError: a set cannot be had, a library is missing, or the port is taken.
    """
    material = _material(settings, say)
    for teacher in teachers:
        say(f"{teacher.name}: {teacher.about}; nothing is sent to it before you agree on the page")
    page = DemoPage(local, teachers, material, settings.max_tokens)
    app = Starlette(routes=[*page.routes(), *Protocol(local, settings.max_tokens).routes()])
    say("Ctrl-C ends it")
    serve_page(app, port, ready, open_paths=OpenPaths())


def _material(settings: Demo, say: Callable[[str], None]) -> Material | None:
    """The set that was named, or that of the first adapter if it is as it was."""
    folder = settings.data
    if folder is None:
        try:
            folder = next(iter(own_sets(name for name in settings.models if (Path(name) / MANIFEST).is_file())), None)
        except UsageError as e:
            say(f"no set: {e}")
    if folder is None:
        return None
    material = Material(folder, settings.inputs)
    for note in (f"the set: {folder}", *material.notes):
        say(note)
    return material


class DemoPage:
    """The page, and what it asks for."""

    def __init__(
        self, local: Sequence[LocalModel], teachers: Sequence[TeacherModel], material: Material | None, max_tokens: int
    ) -> None:
        models: list[Model] = [*local, *teachers]
        self._models = {model.name: model for model in models}
        self._material, self._max_tokens = material, max_tokens
        self._asked: dict[str, list[Work[Said, None]]] = {}  # by the page's name for it: what is being answered

    def routes(self) -> list[Route | Mount]:
        """All of them."""
        read = {
            "/api/state": self._state, "/api/items": self._items, "/api/items/{name:path}": self._item,
            "/api/passages": self._passages, "/api/passages/{name:path}": self._passage, "/api/picture": self._picture,
        }  # fmt: skip
        written = {"/api/ask": self._ask, "/api/stop": self._stop, "/api/agree": self._agree}
        return [
            Route("/", _page),
            Mount("/static", static_files()),
            Mount("/demo", static_files(STATIC)),
            *(Route(path, _told(give)) for path, give in read.items()),
            *(Route(path, _told(take), methods=["POST"]) for path, take in written.items()),
        ]

    async def _state(self, request: Request) -> Response:
        material = self._material
        about = None
        if material:
            about = {
                "name": visible(material.folder.name), "split": material.split, "items": len(material.items),
                "passages": len(material.origin.passages), "notes": [visible(note) for note in material.notes],
            }  # fmt: skip
        return JSONResponse({"models": [self._about(model) for model in self._models.values()], "set": about})

    def _about(self, model: Model) -> Said:
        memory = model.memory
        return {
            "name": model.name, "shown": visible(model.name), "kind": model.kind, "about": visible(model.about),
            "bytes": memory[0] if memory else None, "shared": memory[1] if memory else [],
            "agreed": model.is_agreed if isinstance(model, TeacherModel) else True,
        }  # fmt: skip

    async def _items(self, request: Request) -> Response:
        material = self._need_material()
        return JSONResponse([
            {"id": item.id, "text": _short(item.instruction), "given": bool(item.input)}
            for item in material.find_items(request.query_params.get("q", ""))
        ])  # fmt: skip

    async def _item(self, request: Request) -> Response:
        material = self._need_material()
        item = material.item(request.path_params["name"])
        passages = [name for name in item.chunks if name in material.origin.passages]
        return JSONResponse({**_item(item), "passages": passages})

    async def _passages(self, request: Request) -> Response:
        found = self._need_material().find_passages(request.query_params.get("q", ""))
        return JSONResponse([
            {"id": each.chunk, "where": _where(each), "text": _short(each.text)} for each in found
        ])  # fmt: skip

    async def _passage(self, request: Request) -> Response:
        material, item = self._need_material(), request.query_params.get("item", "")
        passage = material.passage(request.path_params["name"])
        pages = await asyncio.to_thread(material.pages, passage.chunk, item)
        missing = material.missing(passage.document)
        return JSONResponse({
            "id": passage.chunk, "where": _where(passage), "text": visible(passage.text, lines=True),
            "pages": [] if missing else [page.number for page in pages], "missing": visible(missing),
        })  # fmt: skip

    async def _picture(self, request: Request) -> Response:
        material, asked = self._need_material(), request.query_params
        pages = await asyncio.to_thread(material.pages, asked.get("passage", ""), asked.get("item", ""))
        page = next((page for page in pages if str(page.number) == asked.get("page")), None)
        if page is None:
            raise UsageError("no such page", hint="load the page again")
        return Response(await asyncio.to_thread(material.draw, page), media_type="image/png")

    async def _ask(self, request: Request) -> Response:
        body = await read_json(request)
        ask, models = parse_ask(body, self._models, self._material)
        name = str(body.get("id", ""))

        def begin(model: Model) -> Work[Said, None]:
            return run_beside(
                lambda work: Asking(model, ask, self._material, self._max_tokens, work.hand_on).run(
                    lambda: work.is_stopped
                )
            )

        return StreamingResponse(
            self._stream(name, [begin(model) for model in models]), media_type="application/x-ndjson"
        )

    async def _stream(self, name: str, works: list[Work[Said, None]]) -> AsyncIterator[str]:
        """Lines of JSON; who goes away stops what is written for him."""
        self._asked[name] = works
        try:
            async for said in together(works):
                if said["type"] == "done":
                    said = {**said, "about": self._about(self._models[said["model"]])}
                yield dump_json(said) + "\n"
        finally:
            del self._asked[name]
            for work in works:
                work.stop()

    async def _stop(self, request: Request) -> Response:
        body = await read_json(request)
        for work in self._asked.get(str(body.get("id", "")) if isinstance(body, dict) else "", ()):
            work.stop()
        return JSONResponse({})

    async def _agree(self, request: Request) -> Response:
        body = await read_json(request)
        model = self._models.get(str(body.get("model", "")) if isinstance(body, dict) else "")
        if not isinstance(model, TeacherModel):
            raise UsageError("no such teacher", hint="load the page again")
        model.is_agreed = True
        return JSONResponse(self._about(model))

    def _need_material(self) -> Material:
        if self._material is None:
            raise UsageError("no set was named", hint="name one with --set")
        return self._material


async def _page(request: Request) -> Response:
    return FileResponse(STATIC / "demo.html")


def _told(answer: Callable[[Request], Any]) -> Callable[[Request], Any]:
    """An answer, or in its place what is wrong and what to do about it."""

    async def told(request: Request) -> Response:
        try:
            found: Response = await answer(request)
        except FingenError as e:
            return JSONResponse({"error": visible(str(e), lines=True), "hint": visible(e.hint)}, 400)
        except ApiError as e:
            return e.response()
        return found

    return told


def _short(text: str) -> str:
    line = " ".join(text.split())
    return visible(line if len(line) <= SHOWN else line[: SHOWN - 1] + "…")


def _where(passage: Passage) -> str:
    first, last = passage.pages
    pages = f"p. {first}" + (f"-{last}" if last > first else "")
    return visible(" · ".join(part for part in (passage.document, pages, *passage.section[-1:]) if part))


def _item(item: ScoringItem) -> Said:
    right = f"{item.right}. {item.gold}" if item.options and item.right != item.gold else item.gold
    return {
        "id": item.id, "text": visible(item.instruction, lines=True), "input": visible(item.input, lines=True),
        "turns": [{name: visible(text, lines=True) for name, text in turn.items()} for turn in item.turns],
        "system": visible(item.system, lines=True), "right": visible(right, lines=True),
    }  # fmt: skip
