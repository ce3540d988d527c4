"""Bodies of imports as they come: JSON or a form with a file, bounded whichever it is.

A form is read from the stream. Its file waits on disk, so that slow senders take no memory, and few are held in
memory at a time.
"""

import asyncio
import hashlib
import unicodedata
from collections.abc import AsyncGenerator, Callable
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from typing import Any, ClassVar

import msgspec
from litestar import Request
from litestar.datastructures import UploadFile
from litestar.exceptions import ClientException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge

from app.http.wire import BODY_SECONDS, Unread, canonical, converted, decode
from domain.errors import DomainError, FieldError, Reason
from domain.imports.csv import TOO_LARGE
from domain.imports.model import FILE_BYTES_MAX

FORM_BYTES_MAX = FILE_BYTES_MAX + (256 << 10)
"""A file at its limit, and what stands around it."""
TEXT_MAX = 65_536
"""Characters of a field that is no file."""
UPLOAD_SECONDS = 120.0
"""For so long a form is waited for."""
AT_A_TIME = 1
"""Large files that a worker holds in memory; others wait for their turn, on disk. Small ones need not."""
FILE_NAME_MAX = 200

_FORM, _JSON = "multipart/form-data", "application/json"
_places = asyncio.Semaphore(AT_A_TIME)
# One thread for all that is large: each keeps for itself what it has freed, and ten would keep ten times that.
_hand = ThreadPoolExecutor(max_workers=1, thread_name_prefix="uploads")


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """A form with its one file."""

    file_name: str
    """As its sender calls it, without a folder; for people and never for a file system."""
    content: bytes
    texts: dict[str, str]
    is_large: bool

    async def read[T](self, how: Callable[..., T], **options: Any) -> T:
        """What a function makes of the file, while others are answered."""
        call = partial(how, self.content, file_name=self.file_name, **options)
        return await asyncio.get_running_loop().run_in_executor(_hand if self.is_large else None, call)

    @property
    def meaning(self) -> bytes:
        """What an idempotent request is recognised by: the boundaries between its parts differ each time."""
        digest = hashlib.sha256(self.content)
        for name, text in sorted(self.texts.items()):
            digest.update(b"\0" + name.encode() + b"\0" + canonical(text.encode()))
        return digest.digest() + self.file_name.encode()


class _Body(Unread, frozen=True):
    shape: ClassVar[Any] = Any


def is_form(request: Request[Any, Any, Any]) -> bool:
    """Whether a body is a form; if not it is JSON.

    Raises:
        DomainError: UNSUPPORTED_MEDIA_TYPE, it is neither.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in {_FORM, _JSON}:
        message = "Send JSON as application/json, or a CSV file as multipart/form-data"
        raise DomainError(Reason.UNSUPPORTED_MEDIA_TYPE, message)
    return kind == _FORM


async def read_json[T: msgspec.Struct](request: Request[Any, Any, Any], wanted: type[T]) -> tuple[T, bytes]:
    """A JSON body where a form would be welcome, too; with what it means, for idempotency.

    Its `payload` is as it was sent: whoever reads the records judges each. JSON takes much more memory than room
    on the wire, so the limit of all other bodies holds for it.
    """
    limit = request.app.request_max_body_size
    assert isinstance(limit, int)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    message = f"JSON must be at most {limit} bytes; upload a CSV file"
                    raise DomainError(Reason.PAYLOAD_TOO_LARGE, message)
    except TimeoutError:
        raise FieldError(("", f"the body took longer than {BODY_SECONDS:g} seconds to come")) from None
    content = bytes(body)
    raw = decode(content, _Body).raw
    if not isinstance(raw, dict) or "payload" not in raw:
        return converted(raw, wanted), canonical(content)
    # What is wrong with a text of a record is told with its row, and the others stand.
    read = converted({**raw, "payload": None}, wanted)
    return msgspec.structs.replace(read, payload=raw["payload"]), canonical(content)


@asynccontextmanager
async def uploaded(request: Request[Any, Any, Any], *, fields: AbstractSet[str]) -> AsyncGenerator[Upload]:
    """A form with the field `file` and, of the others, those that are named; for as long as it is worked with.

    Raises:
        DomainError: VALIDATION_ERROR, it cannot be read, or has other fields; PAYLOAD_TOO_LARGE.
    """
    try:
        async with asyncio.timeout(UPLOAD_SECONDS):
            form = await request.form()
    except TimeoutError:
        raise FieldError(("", f"the form took longer than {UPLOAD_SECONDS:g} seconds to come")) from None
    except (ClientException, LookupError, ValueError) as problem:
        if isinstance(problem, RequestEntityTooLarge):
            raise DomainError(Reason.PAYLOAD_TOO_LARGE, TOO_LARGE) from None
        message = "the form cannot be read: it is cut off, has no boundary, or too many parts"
        raise FieldError(("", message)) from None
    try:
        file, texts = _parts(form.multi_items(), fields)
        is_large = file.rolled_to_disk
        async with _places if is_large else nullcontext():
            loop = asyncio.get_running_loop()
            content = await (loop.run_in_executor(_hand, file.file.read) if is_large else file.read())
            if len(content) > FILE_BYTES_MAX:
                raise DomainError(Reason.PAYLOAD_TOO_LARGE, TOO_LARGE)
            yield Upload(file_name=_shown(file.filename), content=content, texts=texts, is_large=is_large)
    finally:
        await form.close()


def _parts(items: Any, fields: AbstractSet[str]) -> tuple[UploadFile, dict[str, str]]:
    file: UploadFile | None = None
    texts: dict[str, str] = {}
    problems: list[tuple[str, str]] = []
    for name, value in items:
        if name not in fields and name != "file":
            problems.append((_shown(name, 64), "is no field of this form"))
        elif name in texts or (name == "file" and file is not None):
            problems.append((name, "is given more than once"))
        elif (name == "file") is not isinstance(value, UploadFile):
            problems.append((name, "must be a file, with a file name" if name == "file" else "must not be a file"))
        elif isinstance(value, UploadFile):
            file = value
        elif len(value) > TEXT_MAX:
            problems.append((name, f"must be at most {TEXT_MAX} characters"))
        else:
            texts[name] = value
    if file is None and not problems:
        problems.append(("file", "is required: a CSV file"))
    if problems or file is None:
        raise FieldError(*problems[:20])
    return file, texts


def _shown(name: str, longest: int = FILE_NAME_MAX) -> str:
    """A name that somebody made up, fit to be shown and kept: its last part, printable, and not too long."""
    last = name.replace("\\", "/").rpartition("/")[2]
    printable = "".join(char for char in last if char.isprintable())
    return unicodedata.normalize("NFC", printable[-longest:]).strip() or "upload"
