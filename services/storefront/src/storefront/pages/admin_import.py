"""Import of a catalogue file. The answer is written while it goes on: it needs no scripts, and no job kept here."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NamedTuple, cast

from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.exceptions import HTTPException
from litestar.response import Stream

from shopfiles.importing import Item, Progress, Send, import_entries
from shopfiles.lines import count_lines
from shopfiles.reading import Entry, Fault, WrongFile, read
from shopfiles.report import HEADING, report_lines
from shopkit import deadline
from shopkit.errors import Unavailable
from storefront.backends.answers import Refused
from storefront.backends.products import BATCH_SECONDS
from storefront.forms import Form
from storefront.visit import HTML, Visit, Visitor

FILE_MIB = 64
READ_OFF_MOST = 1024 * 1024 * 1024
# As long as a slow line needs for such a file, and then the import.
LONGEST_SECONDS = 3600
# An access token is renewed before: afterwards the session can take no new one, for its cookie has been sent.
TOKEN_SECONDS = 14 * 60
TELL_SECONDS = 0.25
FAULTS_REPORTED = 10_000
FAULTS_SHOWN = 50
# Before a batch is sent again to a service that does not answer.
PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 16.0)
# Stands in the page where the progress goes.
HOLE = "<!-- progress -->"


class Upload(NamedTuple):
    """A file that was read so far that it is a catalogue; `lines` is its length."""

    name: str
    entries: Iterator[Entry | Fault]
    lines: int


@dataclass
class Outcome:
    """How far an import is; of the faults only the first are kept. `stopped`: why it did not come to its end."""

    progress: Progress
    faults: list[Fault] = field(default_factory=list)
    stopped: str = ""

    def add(self, step: Progress) -> None:
        """One step further."""
        self.progress = step
        self.faults += step.faults[: FAULTS_REPORTED - len(self.faults)]

    @property
    def report(self) -> str:
        """The faults as a CSV file in an address."""
        content = (HEADING + report_lines(self.faults)).encode()
        return f"data:text/csv;charset=utf-8;base64,{b64encode(content).decode()}"


@get("/admin/import")
async def show_import(visit: Visitor) -> Response[str]:
    """The form for a file."""
    visit.require_staff()
    return _form_page(visit, Form({"currency": visit.front.settings.currency}))


@post("/admin/import", status_code=200, request_max_body_size=FILE_MIB * 1024 * 1024)
async def import_file(visit: Visitor) -> Response[Any]:
    """Imports a file; the page grows with the progress, and ends with a report."""
    visit.require_staff()
    limit = visit.request.scope["state"]["limit"]
    limit.reschedule(asyncio.get_running_loop().time() + LONGEST_SECONDS)
    form = Form({"currency": visit.front.settings.currency})
    try:
        fields = await visit.form()
        deadline.start(BATCH_SECONDS)
        form.values["currency"] = str(fields.get("currency", "")).strip().upper()
        upload = await _opened(visit, fields.get("file"), form)
        token = (await visit.person(TOKEN_SECONDS)).access_token
    except HTTPException as error:
        if error.status_code != 413:
            raise
        await _read_off(visit)
        text = "The file is larger than %(size)s MiB. Split it, or use the command “trolley import”."
        form.faults["file"] = visit.say(text, size=FILE_MIB)
        return _form_page(visit, form, 413)
    except Unavailable:
        text = "A part of the shop is not answering just now. Nothing was imported; please try again in a moment."
        form.fault = visit.say(text)
        return _form_page(visit, form, 503)
    if upload is None:
        return _form_page(visit, form, 422)
    page = visit.page("admin/importing.html", name=upload.name)
    before, _, after = str(page.content).partition(HOLE)
    headers = {"Cache-Control": "private, no-cache", "X-Accel-Buffering": "no"}
    return visit.answer(Stream(_told(visit, upload, token, before, after), media_type=HTML, headers=headers))


async def _read_off(visit: Visit) -> None:
    """Takes the rest of a file that is not read: a browser that is still sending reads no answer."""
    size = 0
    while size < READ_OFF_MOST:
        event: Any = await visit.request.receive()
        size += len(event.get("body", b""))
        if not event.get("more_body"):
            return


def _form_page(visit: Visit, form: Form, status: int = 200) -> Response[str]:
    return visit.page("admin/import.html", status=status, form=form, most=FILE_MIB)


async def _opened(visit: Visit, file: object, form: Form) -> Upload | None:
    """The file, ready to be imported; None, and why not in `form`, where it cannot be."""
    currency = form.values["currency"]
    if not (len(currency) == 3 and currency.isascii() and currency.isalpha()):
        form.faults["currency"] = visit.say("Enter three letters, such as EUR.")
    if not isinstance(file, UploadFile):
        form.faults["file"] = visit.say("Choose a file.")
    if form.faults or not isinstance(file, UploadFile):
        return None
    name, content = file.filename[-100:], cast("BinaryIO", file.file)
    try:
        lines = await asyncio.to_thread(count_lines, content)
        return Upload(name, read(content, name, currency), lines)
    except WrongFile as wrong:
        form.faults["file"] = visit.say(str(wrong))
        return None


async def _told(visit: Visit, upload: Upload, token: str, before: str, after: str) -> AsyncGenerator[str, None]:
    """The page, piece by piece."""
    yield before
    now = asyncio.get_running_loop().time
    began = told = now()
    outcome = Outcome(Progress(0, upload.lines, 0, 0, 0, []))

    def piece(template: str) -> str:
        rate = round(outcome.progress.done / max(now() - began, 0.001))
        context = {"outcome": outcome, "progress": outcome.progress, "rate": rate, "shown": FAULTS_SHOWN}
        return visit.front.render(visit.words, f"admin/{template}", context)

    yield piece("_progress.html")
    try:
        async with aclosing(import_entries(upload.entries, _sender(visit, token), total=upload.lines)) as steps:
            async for step in steps:
                outcome.add(step)
                if now() - told >= TELL_SECONDS:
                    told = now()
                    yield piece("_progress.html")
    except (Refused, Unavailable) as failure:
        outcome.stopped = _reason(visit, failure)
    else:
        outcome.progress = outcome.progress._replace(done=upload.lines)
    yield piece("_progress.html")
    yield piece("_imported.html")
    yield after


def _sender(visit: Visit, token: str) -> Send:
    """Sends a batch; again where the service does not answer, for that is safe."""

    async def send(items: list[Item]) -> list[Item]:
        for pause in PAUSES:
            deadline.start(BATCH_SECONDS)
            try:
                return await visit.front.catalogue.place(token, items)
            except Unavailable:
                await asyncio.sleep(pause)
        deadline.start(BATCH_SECONDS)
        return await visit.front.catalogue.place(token, items)

    return send


def _reason(visit: Visit, failure: Refused | Unavailable) -> str:
    if isinstance(failure, Unavailable):
        return visit.say("The catalogue does not answer any more.")
    if failure.status == 401:
        return visit.say("Your sign-in has ended meanwhile.")
    return visit.say(failure.problem.detail)
