"""The page of a review: what it asks for, and what it is answered. Everything comes from a `Session`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route

from fingen.errors import FingenError, LimitError, UsageError
from fingen.events import command_line
from fingen.review.index import filters_of
from fingen.review.session import REASONS, Session, UnprovedError
from fingen.review.verdicts import TakenError
from fingen.review.view import proof_report
from fingen.text import as_shown
from fingen.web.server import STATIC, static_files

HERE = Path(__file__).parent
LANGUAGES = ("en", "zh")
BODY_BYTES = 8 << 20  # that a verdict may have
Ask = Callable[[Session, dict[str, Any]], Any]


def make_app(session: Session, language: str = "auto") -> Starlette:
    """The app of a session; with `auto` the page speaks the browser's language, as far as it can."""
    page = _Page(session, language)
    routes = [
        Route("/", page.shell),
        Route("/api/list", page.reader(_list)),
        Route("/api/step", page.reader(_step)),
        Route("/api/row", page.reader(_row)),
        Route("/api/pages", page.reader(lambda session, asked: session.pages(asked.get("key", "")))),
        Route("/picture", page.picture),
        Route("/api/open", page.writer(_open), methods=["POST"]),
        Route("/api/try", page.writer(_try), methods=["POST"]),
        Route("/api/verdict", page.writer(_verdict), methods=["POST"]),
        Route("/api/undo", page.writer(_undo), methods=["POST"]),
        Mount("/static/shared", static_files(STATIC)),
        Mount("/static", static_files(HERE / "static")),
    ]
    return Starlette(routes=routes)


def _list(session: Session, asked: dict[str, Any]) -> Any:
    page = asked.get("page", "")
    number = int(page) if page.isdecimal() and len(page) < 10 else None
    return session.list_items(filters_of(asked), asked.get("state", ""), number, asked.get("key", ""))


def _step(session: Session, asked: dict[str, Any]) -> Any:
    way = -1 if asked.get("way") == "-1" else 1
    undecided = asked.get("undecided") == "1"
    key = session.step(filters_of(asked), asked.get("state", ""), asked.get("key", ""), way, undecided=undecided)
    return {"key": key}


def _row(session: Session, asked: dict[str, Any]) -> Any:
    return session.show(asked.get("key", ""), whole=asked.get("whole") == "1")


def _open(session: Session, asked: dict[str, Any]) -> Any:
    return {"is_mine": session.open(session.index.keys[session.number(str(asked.get("key", "")))])}


def _try(session: Session, asked: dict[str, Any]) -> Any:
    return session.try_edit(str(asked.get("key", "")), _edit(asked))


def _verdict(session: Session, asked: dict[str, Any]) -> Any:
    if not isinstance(asked.get("queue") or {}, dict):
        raise UsageError("a queue is named by its filters")
    _edit(asked)
    given = session.judge(asked)
    where = {name: value for name, value in (asked.get("queue") or {}).items() if isinstance(value, str)}
    following = session.step(filters_of(where), where.get("state", ""), given.id, 1, undecided=True)
    return {"verdict": given.verdict, "failed": given.failed, "next": following, **session.progress()}


def _undo(session: Session, asked: dict[str, Any]) -> Any:
    return {"key": session.undo(str(asked.get("nonce", ""))[:64]), **session.progress()}


def _edit(asked: dict[str, Any]) -> dict[str, Any]:
    edit = asked.get("edit") or {}
    if not isinstance(edit, dict):
        raise UsageError("an edit gives the fields that it changes")
    return edit


class _Page:
    """The handlers. What reads or writes files runs in threads; errors say what is wrong."""

    def __init__(self, session: Session, language: str) -> None:
        self._session, self._language = session, language
        self._words = json.loads((HERE / "words.json").read_text(encoding="utf-8"))
        environment = jinja2.Environment(
            autoescape=True, finalize=as_shown, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
        )
        self._template = environment.from_string((HERE / "page.html.j2").read_text(encoding="utf-8"))
        self._counts = session.index.counts()

    async def shell(self, request: Request) -> Response:
        """The page without rows: its script asks for them."""
        language = self._choose_language(request)
        session = self._session
        return HTMLResponse(
            self._template.render(
                words=self._words[language],
                language=language,
                name=session.index.manifest.name,
                command=command_line("fingen", "review", session.folder, "--apply"),
                reviewer=session.reviewer,
                counts=self._counts,
                reasons=REASONS,
            )
        )

    def _choose_language(self, request: Request) -> str:
        wanted = request.query_params.get("language", self._language)
        if wanted in LANGUAGES:
            return wanted
        accepted = [each.strip()[:2].lower() for each in request.headers.get("accept-language", "").split(",")]
        return next((each for each in accepted if each in LANGUAGES), "en")

    def reader(self, answer: Ask) -> Any:
        """A handler that answers what an address asks."""

        async def handle(request: Request) -> Response:
            return await self._answer(answer, dict(request.query_params))

        return handle

    def writer(self, answer: Ask) -> Any:
        """A handler that does what the JSON object of a request says."""

        async def handle(request: Request) -> Response:
            try:
                asked = await _read_body(request)
            except UsageError as e:
                return _error(400, str(e), e.hint)
            return await self._answer(answer, asked)

        return handle

    async def picture(self, request: Request) -> Response:
        """A page as a picture."""
        asked = request.query_params
        page = asked.get("page", "")
        if not page.isdecimal() or len(page) > 6:
            return _error(400, "no page")
        try:
            drawn = await run_in_threadpool(
                self._session.picture, asked.get("key", ""), asked.get("document", ""), int(page)
            )
        except FingenError as e:
            return _error(404, str(e), e.hint)
        return Response(drawn, media_type="image/png")

    async def _answer(self, answer: Ask, asked: dict[str, Any]) -> Response:
        try:
            return JSONResponse(await run_in_threadpool(answer, self._session, asked))
        except UnprovedError as e:
            return _error(422, str(e), e.hint, **proof_report(e.proved, ""))
        except TakenError as e:
            by = e.standing.reviewer if e.standing else ""
            return _error(409, str(e), by=by, verdict=e.standing.verdict if e.standing else "")
        except LimitError as e:
            return _error(507, str(e), e.hint)
        except FingenError as e:
            return _error(400, str(e), e.hint)


async def _read_body(request: Request) -> dict[str, Any]:
    """The JSON object of a request.

    Raises:
        UsageError: it is none, or too large.
    """
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise UsageError("a verdict is sent as application/json")
    body = bytearray()
    try:
        async for part in request.stream():
            body += part
            if len(body) > BODY_BYTES:
                raise UsageError(f"more than {BODY_BYTES:,} bytes")
        value = json.loads(body)
    except (ValueError, RecursionError, ClientDisconnect) as e:
        raise UsageError("no JSON") from e
    if not isinstance(value, dict):
        raise UsageError("no JSON object")
    return value


def _error(status: int, message: str, hint: str = "", **more: Any) -> Response:
    return JSONResponse({"error": {"message": message, "hint": hint, **more}}, status_code=status)
