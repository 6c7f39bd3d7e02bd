"""REST: the account's API keys: list, register, generate, delete (protocol sheet 1.2, 1.5)."""

from __future__ import annotations

from typing import Any, get_args

from aiohttp import web

from daemon.exchange.accounts import subaccount_name
from daemon.sandbox.api_keys import (
    FULL_SCOPES,
    SCOPES,
    ApiKey,
    ApiKeys,
    KeyAlreadyRegistered,
    KeyRefused,
    KeyType,
    Scope,
    generate,
    public_text,
)
from daemon.sandbox.auth import PREFIX, SIGNER
from daemon.sandbox.bodies import nested_error, too_many_requests
from daemon.sandbox.limits import COST_DEFAULT, Buckets
from daemon.sandbox.rest.answer import answer
from daemon.sandbox.rest.asked import no_subaccount
from daemon.sandbox.rest.query import check_fields, json_object, one_of, required
from daemon.sandbox.scopes import check_grant
from daemon.sandbox.venue import ACCOUNT, Venue

_FIELDS = {"name": str, "public_key": str, "key_type": str, "scopes": list, "subaccount": int}


def _key_body(key: ApiKey) -> dict[str, Any]:
    body: dict[str, Any] = {"api_key_id": key.api_key_id, "name": key.name, "scopes": list(key.scopes)}
    if key.subaccount is not None:
        body["subaccount"] = key.subaccount
    return body


def _scopes(body: dict[str, Any]) -> tuple[Scope, ...]:
    named = body.get("scopes")
    return FULL_SCOPES if named is None else tuple(one_of(text, "scope", SCOPES) for text in named)


class KeyApi:
    """The calls on keys. Nobody gives away more than they hold."""

    def __init__(self, keys: ApiKeys, venue: Venue, buckets: Buckets) -> None:
        self._keys = keys
        self._venue = venue
        self._buckets = buckets

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        path = f"{PREFIX}/api_keys"
        return [
            web.get(path, self.list_keys),
            web.post(path, self.create),
            web.post(f"{path}/generate", self.generate),
            web.delete(f"{path}/{{api_key}}", self.delete),
        ]

    def _pay(self) -> None:
        """Take the tokens: a call that is no order draws on the reads, whatever its method (sheet 5.1)."""
        if not self._buckets.take_read(COST_DEFAULT, self._venue.clock.now()):
            raise too_many_requests()

    async def list_keys(self, _request: web.Request) -> web.Response:
        """GET /api_keys."""
        return answer({"api_keys": [_key_body(key) for key in self._keys.all()]})

    def _register(self, request: web.Request, body: dict[str, Any], public_key: str) -> ApiKey:
        scopes, subaccount = _scopes(body), body.get("subaccount")
        check_grant(request[SIGNER].scopes, scopes)
        if (
            subaccount is not None
            and subaccount_name(ACCOUNT, subaccount) not in self._venue.exchange.accounts
        ):
            raise no_subaccount()
        try:
            return self._keys.register(required(body, "name"), public_key, scopes, subaccount)
        except KeyAlreadyRegistered as exc:
            raise nested_error(409, "api_key_already_exists", str(exc)) from exc
        except KeyRefused as exc:
            raise nested_error(400, "invalid_parameters", str(exc)) from exc

    async def create(self, request: web.Request) -> web.Response:
        """POST /api_keys: register the caller's own public key."""
        body = check_fields(await json_object(request), _FIELDS, "CreateApiKeyRequest")
        self._pay()
        key = self._register(request, body, required(body, "public_key"))
        return answer({"api_key_id": key.api_key_id}, 201)

    async def generate(self, request: web.Request) -> web.Response:
        """POST /api_keys/generate: make a pair; the private key is told here and never again."""
        body = check_fields(await json_object(request), _FIELDS, "GenerateApiKeyRequest")
        self._pay()
        required(body, "name")
        kinds: tuple[KeyType, ...] = get_args(KeyType)
        key_type = one_of(body.get("key_type", "rsa"), "key_type", kinds)
        pem, public = generate(key_type)
        key = self._register(request, body, public_text(public))
        return answer({"api_key_id": key.api_key_id, "key_type": key_type, "private_key": pem.decode()}, 201)

    async def delete(self, request: web.Request) -> web.Response:
        """DELETE /api_keys/{api_key}: it signs nothing from here on."""
        self._pay()
        if not self._keys.delete(request.match_info["api_key"]):
            raise nested_error(404, "not_found")
        return web.Response(status=204)
