"""What a running service holds: its accounts, keys, providers, and who may do what.

One account a policy, all of them over one ledger.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from tokenthrift.client.account import Account
from tokenthrift.errors import TokenthriftError
from tokenthrift.ledger import open_ledger
from tokenthrift.pipeline import plan
from tokenthrift.serve.boards import Boards
from tokenthrift.serve.crossing import Crossing
from tokenthrift.serve.errors import Refusal
from tokenthrift.serve.headers import POLICY, credentials
from tokenthrift.serve.keys import EVERYTHING, KeyFile
from tokenthrift.serve.light import Light
from tokenthrift.serve.relay import Relay
from tokenthrift.serve.upstreams import Upstreams, sellers_of, session_of
from tokenthrift.serve.visits import Visits
from tokenthrift.telemetry import Prometheus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import aiohttp

    from tokenthrift.ledger import Ledger
    from tokenthrift.serve.crossing import Crossed
    from tokenthrift.serve.keys import ApiKey, Room, Scope
    from tokenthrift.serve.relay import Inbound
    from tokenthrift.serve.settings import Settings

MODEL: Final = "gpt-4o-mini"
WARM: Final = {"model": MODEL, "messages": [{"role": "user", "content": "Hello?"}]}
SHOW_KEY: Final = {"www-authenticate": "Bearer"}

log = logging.getLogger("tokenthrift.serve")


class Desk:
    """What a running service holds; closed when it ends.

    Args:
        settings: how it runs.
        ledger: instead of the one that the settings name; it is not closed.
        now: the time, in UTC.

    Raises:
        ServeError: it would listen beyond this machine without keys.
        TokenthriftError: a policy, the ledger or the file of keys cannot be had.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        ledger: Ledger | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        settings.check()
        self.settings = settings
        self.keys = None if settings.keys is None else KeyFile(settings.keys, create=False)
        self._owns_ledger = ledger is None
        self.ledger = open_ledger(settings.ledger) if ledger is None else ledger
        self.accounts = {
            account.policy.name: account
            for account in (
                Account(policy, self.ledger, provider=sellers_of(settings.upstreams))
                for policy in settings.policies
            )
        }
        self.default = next(iter(self.accounts))
        self.metrics = Prometheus()
        for account in self.accounts.values():
            account.add_sink(self.metrics)
            self.metrics.watch(account)
        self.upstreams = Upstreams(
            settings.upstreams,
            self.accounts[self.default].catalog,
            passes_keys=self.keys is None,
        )
        catalog = self.accounts[self.default].catalog
        self.crossing = Crossing.of(settings, self.upstreams, catalog)
        if self.crossing is not None:
            for account in self.accounts.values():
                account.reach(self.crossing)
        self.light = Light()
        self.now = now
        self.visits = Visits()
        self.boards = Boards(self.ledger, self.accounts, now)
        self._session: aiohttp.ClientSession | None = None
        self.under_way = 0
        self.is_draining = False

    @property
    def session(self) -> aiohttp.ClientSession:
        """The connections to providers; made at the first call, so that the loop is its own."""
        if self._session is None:
            self._session = session_of(self.settings)
        return self._session

    def way(self, inbound: Inbound) -> Relay | Crossed:
        """A call's way to its provider and back."""
        relay = Relay(self.session, self.upstreams, inbound)
        return relay if self.crossing is None else self.crossing.around(relay)

    def warm(self) -> None:
        """Load what the first call would wait for: the tokenizer, litellm where calls need it."""
        for account in self.accounts.values():
            try:
                plan(WARM, account.policy, catalog=account.catalog, forecaster=account.forecaster)
            except TokenthriftError as error:  # the first call that meets it says it again
                log.warning("policy %s: %s", account.policy.name, error)
            for candidate in account.policy.routing.candidates:
                self.light.load(candidate.model)
            if self.crossing is not None:
                self.crossing.warm(c.model for c in account.policy.routing.candidates)
        self.light.load(MODEL)

    async def close(self) -> None:
        """Settle what is open, close the connections, the ledger, the keys and what was cut."""
        if self._session is not None:
            await self._session.close()
        self.light.close()
        for account in self.accounts.values():
            account.settle_abandoned()
            account.recall_store.close()
        if self._owns_ledger:
            self.ledger.close()
        if self.keys is not None:
            self.keys.close()

    def admit(self, headers: Mapping[str, str], room: Room) -> ApiKey | None:
        """The key of a caller; None where the service has none.

        Raises:
            Refusal: no key, no valid one (401), or one that may not enter here (403).
        """
        if self.keys is None:
            return None
        shown = credentials(headers)
        if not shown:
            what = "no API key: send it as `Authorization: Bearer …` or as `x-api-key`"
            raise Refusal(401, what, headers=SHOW_KEY)
        key = self.keys.find(shown, self.now())
        if key is None:
            raise Refusal(401, "this API key is not known, expired or revoked", headers=SHOW_KEY)
        if not key.scope.allows_room(room):
            raise Refusal(403, f"this API key is not for {room}")
        return key

    def admit_visit(self, headers: Mapping[str, str], room: Room) -> ApiKey | None:
        """The key that the cookie of a browser stands for, or that is shown as for any call.

        Raises:
            Refusal: neither is there or valid (401), or the key may not enter here (403).
        """
        cookies = headers.get("cookie", "")
        if self.keys is None or not cookies or credentials(headers):
            return self.admit(headers, room)
        key = self.visits.key_of(cookies, self.keys, self.now())
        if key is None:
            raise Refusal(401, "no visit, or one that is over: show an API key", headers=SHOW_KEY)
        if not key.scope.allows_room(room):
            raise Refusal(403, f"this API key is not for {room}")
        return key

    def account(self, headers: Mapping[str, str], key: ApiKey | None) -> Account:
        """The account that a call falls under.

        Raises:
            Refusal: the policy is none of the service's, or not for this key.
        """
        scope = EVERYTHING if key is None else key.scope
        name = headers.get(POLICY) or self._first(scope)
        if not scope.allows_policy(name):
            raise Refusal(403, f"{POLICY}: this API key may not use the policy {name[:80]!r}")
        if name not in self.accounts:
            known = ", ".join(n for n in self.accounts if scope.allows_policy(n))
            raise Refusal(400, f"{POLICY}: no policy {name[:80]!r} here; use {known}")
        return self.accounts[name]

    def _first(self, scope: Scope) -> str:
        if scope.policies is None:
            return self.default
        return next((name for name in scope.policies if name in self.accounts), scope.policies[0])
