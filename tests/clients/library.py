"""Twilio's Python library, with its requests sent to a sandbox."""

from urllib.parse import urlsplit

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from play import ACCOUNT_SID, AUTH_TOKEN, Call


class Redirected(TwilioHttpClient):
    """Sends Twilio's requests to the sandbox, which recognises the product by the Host header."""

    def __init__(self, url: str) -> None:
        super().__init__(timeout=30)
        self._url = url

    def request(self, method, url, params=None, data=None, headers=None, *more, **options):
        host = urlsplit(url).netloc
        assert host.endswith(".twilio.com"), host
        url = url.replace(f"https://{host}", self._url)
        return super().request(method, url, params, data, {**headers, "Host": host}, *more, **options)


def client_of(sandbox, username=ACCOUNT_SID, password=AUTH_TOKEN) -> Client:
    return Client(username, password, ACCOUNT_SID, http_client=Redirected(sandbox.url))


def refusal(call, *arguments, **parameters) -> TwilioRestException:
    with pytest.raises(TwilioRestException) as raised:
        call(*arguments, **parameters)
    return raised.value


def signed(call: Call, token: str) -> bool:
    return RequestValidator(token).validate(call.url, call.form, call.headers["X-Twilio-Signature"])
