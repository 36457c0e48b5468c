"""Forms: what was typed, what is wrong with it, and the token that says that our own page sent it."""

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from shopkit.errors import Forbidden, InvalidRequest
from storefront.backends.answers import Problem

# Never shown again, whatever went wrong.
SECRETS = frozenset({"password", "current_password", "new_password", "csrf", "once"})


class FormExpired(Forbidden, code="forbidden"):
    """This form is no longer good: open its page again, and send it from there."""


@dataclass
class Form:
    """What was typed, by field; and after a refusal what is wrong, by field (`faults`) and as a whole (`fault`)."""

    values: dict[str, str] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    fault: str = ""

    @classmethod
    def typed(cls, content: Mapping[str, object]) -> "Form":
        """What a browser sent, without secrets; of a name that is there twice, the last."""
        return cls({name: str(value) for name, value in content.items() if name not in SECRETS})

    def refuse(self, problem: Problem, tell: Callable[[str], str], words: Mapping[str, str], otherwise: str) -> None:
        """Takes over what a service said: of fields as `tell` puts it, of the whole by code, or `otherwise`."""
        for fault in problem.errors:
            name = fault.pointer.removeprefix("#/").partition("/")[0]
            self.faults.setdefault(name, tell(fault.detail))
        if not problem.errors or problem.code in words:
            self.fault = words.get(problem.code, otherwise)


def masked(token: str) -> str:
    """The token in a form that differs each time, so that compressing a page tells nothing of it."""
    plain = token.encode()
    mask = secrets.token_bytes(len(plain))
    return urlsafe_b64encode(mask + bytes(a ^ b for a, b in zip(mask, plain, strict=True))).decode()


def require_token(token: str, sent: str, site: str) -> None:
    """FormExpired unless `sent` is `token`, masked; `site` is the header Sec-Fetch-Site, where there is one."""
    try:
        raw = urlsafe_b64decode(sent)
    except ValueError:
        raw = b""
    half = len(raw) // 2
    plain = bytes(a ^ b for a, b in zip(raw[:half], raw[half:], strict=False))
    if site not in {"", "same-origin", "none"} or not hmac.compare_digest(plain, token.encode()):
        raise FormExpired


def key_of(once: str, *content: object) -> str:
    """The Idempotency-Key of a form: the same for the same form with the same content, whatever text was sent."""
    parts = (once or secrets.token_urlsafe(), *content)
    return sha256("\n".join(map(str, parts)).encode(errors="backslashreplace")).hexdigest()


def whole_number(text: str, least: int, most: int, say: Callable[..., str]) -> int:
    """A number that a form sent; InvalidRequest, in the visitor's language, where it is none or out of range."""
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
        raise InvalidRequest(say("Enter a whole number from %(least)s to %(most)s.", least=least, most=most))
    return int(text)
