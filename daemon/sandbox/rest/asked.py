"""Which accounts a private request means: its `subaccount`, and what leaving it out means.

Omitted it means *all* for the lists of orders, fills, settlements and order groups and for cancel-all, and
the *primary* one for everything else (end of protocol sheet 4.7). A key that is bound to a subaccount means
that one always.
"""

from __future__ import annotations

from aiohttp import web

from daemon.exchange.accounts import Account, subaccount_name
from daemon.sandbox.auth import SIGNER
from daemon.sandbox.bodies import ApiError, nested_error
from daemon.sandbox.read_side import AccountView
from daemon.sandbox.rest.query import check_subaccount, whole
from daemon.sandbox.venue import ACCOUNT, Venue


def no_subaccount() -> ApiError:
    """Return the error of a subaccount that isn't there (or that the reads don't show yet)."""
    return nested_error(400, "invalid_parameters", "subaccount not found")


def _number(request: web.Request, operation: str) -> int | None:
    asked = request[SIGNER].subaccount_asked(whole(request.query, "subaccount", operation))
    return None if asked is None else check_subaccount(asked)


def views_asked(request: web.Request, venue: Venue, operation: str) -> list[AccountView]:
    """Return the accounts of a list whose omitted subaccount means all, brought up to date."""
    asked = _number(request, operation)
    read_side = venue.reads
    read_side.advance(venue.clock.now())
    if asked is None:
        return list(read_side.accounts.values())
    return [_shown(venue, asked)]


def view_asked(request: web.Request, venue: Venue, operation: str) -> AccountView:
    """Return the account of a read whose omitted subaccount means the primary one, brought up to date."""
    venue.reads.advance(venue.clock.now())
    return _shown(venue, _number(request, operation) or 0)


def _shown(venue: Venue, number: int) -> AccountView:
    view = venue.reads.accounts.get(subaccount_name(ACCOUNT, number))
    if view is None:
        raise no_subaccount()
    return view


def account_asked(request: web.Request, venue: Venue, operation: str, in_body: int | None = None) -> Account:
    """Return the account of a write: named in its body, in its query, or the primary one."""
    asked = request[SIGNER].subaccount_asked(in_body) if in_body is not None else None
    if asked is None:
        asked = _number(request, operation) or 0
    account = venue.exchange.accounts.get(subaccount_name(ACCOUNT, asked))
    if account is None:
        raise no_subaccount()
    return account


def accounts_asked(request: web.Request, venue: Venue, operation: str) -> list[Account]:
    """Return the accounts of a write whose omitted subaccount means all."""
    if _number(request, operation) is None:
        return venue.exchange.treasury.subaccounts(ACCOUNT)
    return [account_asked(request, venue, operation)]
