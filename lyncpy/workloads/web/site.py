"""From a request to the resource that answers it, and from its answer to one that is whole.

What every answer has is said here once: headers that keep a browser from being tricked,
validators, and which other sites' scripts may read it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Final

from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from lyncpy.contracts.http import (
    ANYBODY,
    HttpAnswer,
    HttpAsked,
    HttpReader,
    HttpReaderKind,
    HttpRefusal,
    HttpRefused,
    HttpResource,
    plain,
)
from lyncpy.contracts.meter import IMeter
from lyncpy.contracts.refusal import Refused, translated
from lyncpy.workloads.web.readers import Readers

STANDING: Final[Mapping[str, str]] = {
    # Nothing is loaded and nothing runs, unless a page says otherwise about itself.
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""On every answer. There is no Strict-Transport-Security: it would bind every port of the host, and others live there."""

_PREFLIGHT_S: Final = 600
_ANYBODY_ALONE: Final = frozenset({HttpReaderKind.ANONYMOUS})


class Site:
    """The resources that all workloads offer, by host and path.

    Args:
        resources: What is offered.
        readers: Authenticates who asks.
        origins: Sites whose scripts may read answers.
        meter: Counts requests.
    """

    log = Logger()

    def __init__(
        self, resources: Iterable[HttpResource], readers: Readers, origins: Iterable[str], meter: IMeter
    ) -> None:
        self._resources = tuple((one.path.lower(), one) for one in resources)
        self._readers = readers
        self._origins = frozenset(origins)
        self._meter = meter

    async def serve(self, asked: HttpAsked) -> HttpAnswer:
        """Answer one HTTP request, whatever happens."""
        resource = self._find(asked)
        try:
            answer = await self._answer(resource, asked)
        except CancelledError:
            raise  # the browser is gone, or it took too long: the wire knows which
        except Exception as error:  # noqa: BLE001 - the one place where a bug becomes a 500 of a page
            answer = self._no(error, self.refusal if resource is None else resource.refusal, asked.path)
        answer = self._whole(asked, answer)
        self._count(f"{resource.host}{resource.path}" if resource is not None else "", answer)
        return answer

    def _count(self, resource: str, answer: HttpAnswer) -> None:
        self._meter.counter(
            "lyncpy_web_requests_total",
            "Requests that were answered over HTTPS.",
            resource=resource,
            status=str(answer.status),
        ).add()
        if answer.refused:
            self._meter.counter(
                "lyncpy_web_refusals_total",
                "Requests that were refused in words of their service: SOAP's fault, or the kind of error of a command.",
                resource=resource,
                reason=answer.refused,
            ).add()

    def forget(self, connection: str) -> None:
        """Forget a connection that is over."""
        self._readers.forget(connection)

    def refusal(self, path: str, status: int, sentence: str) -> HttpAnswer:
        """Write a refusal as whoever asks at an address expects it."""
        of = next((one.refusal for one in self._fitting(path) if one.refusal is not plain), plain)
        return of(path, status, sentence)

    def _find(self, asked: HttpAsked) -> HttpResource | None:
        fitting = [
            one
            for one in self._fitting(asked.path)
            if one.host in ("", asked.host) and (asked.is_secure or one.is_plain)
        ]
        return max(fitting, key=lambda one: (len(one.path), bool(one.host)), default=None)

    def _fitting(self, wanted: str) -> Iterable[HttpResource]:
        # Clients write the paths of Lync's services in small letters or as they please: its own server tells no difference.
        low = wanted.lower()
        return (one for path, one in self._resources if (low.startswith(path) if path.endswith("/") else low == path))

    async def _answer(self, resource: HttpResource | None, asked: HttpAsked) -> HttpAnswer:
        if resource is None:
            raise HttpRefused(404, "there is nothing at this address")
        methods = (*resource.methods, *(("HEAD",) if "GET" in resource.methods else ()))
        if asked.method == "OPTIONS":
            return self._options(asked, methods)
        if asked.method not in methods:
            raise HttpRefused(405, f"this address answers {' and '.join(methods)}", (("Allow", ", ".join(methods)),))
        reader = await self._reader(resource, asked)
        method = "GET" if asked.method == "HEAD" else asked.method
        answer = await resource.answer(replace(asked, method=method, reader=reader))
        # Spec: RFC 4559 §5.
        proof = (("WWW-Authenticate", reader.proof),) if reader.proof else ()
        return replace(answer, headers=(*answer.headers, *proof)) if proof else answer

    async def _reader(self, resource: HttpResource, asked: HttpAsked) -> HttpReader:
        if resource.readers == _ANYBODY_ALONE:
            # Nobody is told apart here: what a client goes on sending that was asked for it elsewhere is not looked at.
            return ANYBODY
        reader = await self._readers.who(asked)
        if reader.kind in resource.readers:
            return reader
        if reader.kind is not HttpReaderKind.ANONYMOUS:
            raise HttpRefused(403, "this is not for you")
        challenges = self._readers.challenges(resource.readers, handshakes=resource.handshakes)
        raise HttpRefused(401, "say who you are", tuple(("WWW-Authenticate", one) for one in challenges))

    def _options(self, asked: HttpAsked, methods: tuple[str, ...]) -> HttpAnswer:
        """Answer OPTIONS with the methods, and to a script of another site whether it may send credentials."""
        allowed = ", ".join((*methods, "OPTIONS"))
        headers: tuple[tuple[str, str], ...] = (("Allow", allowed),)
        if asked.headers.get("origin") in self._origins and "access-control-request-method" in asked.headers:
            headers += (
                ("Access-Control-Allow-Methods", allowed),
                ("Access-Control-Allow-Headers", "Authorization, If-None-Match"),
                ("Access-Control-Max-Age", str(_PREFLIGHT_S)),
            )
        return HttpAnswer(204, headers=headers)

    def _no(self, error: Exception, refusal: HttpRefusal, path: str) -> HttpAnswer:
        if isinstance(error, HttpRefused):
            return replace(refusal(path, error.status, error.sentence), headers=error.headers)
        no: Refused = translated(error)
        if no.status == HTTPStatus.INTERNAL_SERVER_ERROR:
            self.log.failure("a page failed")
            return refusal(path, 500, "the server failed; its log says why")
        waits = tuple(header for header in no.headers if header[0] == "Retry-After")
        said = no.diagnostics.reason if no.diagnostics is not None else ""
        return replace(refusal(path, no.status, said), headers=waits)

    def _whole(self, asked: HttpAsked, answer: HttpAnswer) -> HttpAnswer:
        headers = {**STANDING, "Cache-Control": answer.cache}
        varying = ["Authorization"] if not answer.cache.startswith("no-store") else []
        if self._origins:
            varying.append("Origin")
            origin = asked.headers.get("origin", "")
            if origin in self._origins:
                headers["Access-Control-Allow-Origin"] = origin
                headers["Access-Control-Allow-Credentials"] = "true"
                headers["Access-Control-Expose-Headers"] = "ETag, Retry-After"
        if varying:
            headers["Vary"] = ", ".join(varying)
        tag = f'"{answer.etag}"' if answer.etag else ""
        if tag:
            headers["ETag"] = tag
        # What a page says of itself wins over what stands on all.
        said = {name.lower() for name, _ in answer.headers}
        kept = tuple(one for one in headers.items() if one[0].lower() not in said)
        answer = replace(answer, headers=(*kept, *answer.headers))
        if tag and answer.status == HTTPStatus.OK and _is_known(tag, asked.headers.get("if-none-match", "")):
            return replace(answer, status=304, content_type="", body=b"")
        return answer


def _is_known(tag: str, given: str) -> bool:
    """Tell whether the client has these bytes already; a weak tag compares equal here.

    Spec: RFC 9110 §13.1.2.
    """
    return given.strip() == "*" or tag in (one.strip().removeprefix("W/") for one in given.split(","))
