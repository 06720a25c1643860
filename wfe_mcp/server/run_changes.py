"""Tells the client which runs have changed: ``resources/updated`` and ``resources/list_changed``, in both protocol eras.

    this process changes a run ─────────────► last event of that run ─────┐
    another one commits: a look every 2 s ──► last event of each open run ┴─► what is new of what the client asked for

Rules:
1. A handshake client hears of the list without asking, and of an address after ``resources/subscribe``. A stateless
   client, and any over HTTP, hears of both on the ``subscriptions/listen`` that it opened, and of nothing else.
2. An address below ``wfe://runs/RUN`` changes with its run. Tools, prompts and templates of addresses never change.
3. Nothing is read without a listener. What changed meanwhile is reported at the next look: once too often, never too seldom.
4. A call costs the same beside many open runs: all are read only when another process has changed the database, at most
   every two seconds.
"""

import logging
import time
from functools import partial
from typing import Any

import anyio
import mcp_types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.session import ServerSession
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourcesListChanged, ResourceUpdated

from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.server.project_session import ProjectSession
from wfe_mcp.server.tool_request import is_modern

LOOK_S = 2.0
"""How long a change of another process may stay unreported, and how often all open runs are read at most."""

GATHERED_S = 0.1
"""How long changes of this process are gathered: one call makes several, and its answer comes first."""

RUNS = "wfe://runs/"

Tails = dict[str, tuple[int, str]]
"""The number and hash of the last event of each open run."""

log = logging.getLogger("wfe_mcp.server")


class RunChanges:
    """What one client wants to hear of, and what it has heard."""

    def __init__(self, place: ProjectSession, bus: InMemorySubscriptionBus) -> None:
        self._place = place
        self._bus = bus
        self._handler = ListenHandler(bus)
        self._session: ServerSession | None = None
        self._subscribed: set[str] = set()
        self._listened: list[tuple[str, ...]] = []
        self._seen: Tails = {}  # so that open runs are news for a client that listed while the project was not open
        self._version: int | None = None
        """Of what other processes had committed when all open runs were read last."""
        self._next_whole = 0.0

    def serve(self, low: Server[Any]) -> None:
        """Register the requests of rule 1."""
        low.add_request_handler("resources/subscribe", mcp_types.SubscribeRequestParams, self._subscribe)
        low.add_request_handler("resources/unsubscribe", mcp_types.UnsubscribeRequestParams, self._unsubscribe)
        low.add_request_handler("subscriptions/listen", mcp_types.SubscriptionsListenRequestParams, self._listen)

    def meet(self, session: ServerSession) -> None:
        """Note the session of a handshake client, which hears outside of its requests. Over HTTP it ends with each of them."""
        if not self._place.is_remote and not is_modern(session.protocol_version):
            self._session = session

    async def follow(self) -> None:
        """Report until the connection ends. The project is open."""
        while True:
            changed = self._place.next_change()
            own = self._place.take_changed()
            if self._session is not None or self._listened:
                await self._look(own)
            with anyio.move_on_after(LOOK_S):
                await changed.wait()
                await anyio.sleep(GATHERED_S)

    async def _look(self, own: set[str] | None = None) -> None:
        """Report what is new in the runs ``own``, and in all where that is due; without ``own`` it is."""
        if own is not None and not own and time.monotonic() < self._next_whole:
            return  # as ``read`` would say, without a thread
        try:
            engine = await self._place.engine()
            tails_now, names = await self._place.in_thread(partial(self.read, engine, own))
        except Exception as exc:  # the next look may succeed, and reads all
            self._version, self._next_whole = None, 0.0
            log.info("the runs could not be read: %s", exc)
            return
        tails = self._seen
        moved = {
            run
            for run in (tails.keys() | tails_now.keys() if names is None else names)
            if tails.get(run) != tails_now.get(run)
        }
        is_list = any((run in tails) != (run in tails_now) for run in moved)
        for run in moved:
            tails.pop(run, None)
        tails.update(tails_now)
        if moved:
            await self._notify(moved, is_list=is_list)

    def read(self, engine: Engine, own: set[str] | None) -> tuple[Tails, set[str] | None]:
        """The last events as they are now, and of which runs they were asked for; None for all."""
        if own is None or time.monotonic() >= self._next_whole:
            version = engine.store.others_version()  # before the runs: what is committed between is read once more
            if own is None or version != self._version:
                with engine.store.read() as tx:
                    tails = tx.runs.open_tails(engine.project_id)
                self._version, self._next_whole = version, time.monotonic() + LOOK_S
                return tails, None
        if not own:
            return {}, set()
        with engine.store.read() as tx:
            return tx.runs.open_tails(engine.project_id, own), own

    async def _notify(self, moved: set[str], *, is_list: bool) -> None:
        if self._session is not None:
            if is_list:
                await self._session.send_resource_list_changed()
            for uri in sorted(uri for uri in self._subscribed if run_of(uri) in moved):
                await self._session.send_resource_updated(uri)
        if is_list:
            await self._bus.publish(ResourcesListChanged())
        listened = {uri for uris in self._listened for uri in uris}
        for uri in sorted(uri for uri in listened if run_of(uri) in moved):
            await self._bus.publish(ResourceUpdated(uri))

    async def _look_first(self) -> None:
        """A change from before the subscription is not reported to it."""
        if self._place.is_open:
            await self._look()

    async def _subscribe(
        self, ctx: ServerRequestContext[Any, Any], params: mcp_types.SubscribeRequestParams
    ) -> mcp_types.EmptyResult:
        self.meet(ctx.session)
        await self._look_first()
        self._subscribed.add(str(params.uri))
        return mcp_types.EmptyResult()

    async def _unsubscribe(
        self, ctx: ServerRequestContext[Any, Any], params: mcp_types.UnsubscribeRequestParams
    ) -> mcp_types.EmptyResult:
        del ctx
        self._subscribed.discard(str(params.uri))
        return mcp_types.EmptyResult()

    async def _listen(
        self, ctx: ServerRequestContext[Any, Any], params: mcp_types.SubscriptionsListenRequestParams
    ) -> mcp_types.SubscriptionsListenResult:
        uris = tuple(params.notifications.resource_subscriptions or ())
        await self._look_first()
        self._listened.append(uris)
        try:
            return await self._handler(ctx, params)
        finally:
            self._listened.remove(uris)


def run_of(uri: str) -> str:
    """The run that an address belongs to; empty for another kind of address."""
    return uri.removeprefix(RUNS).partition("/")[0] if uri.startswith(RUNS) else ""
