"""Whether feed, broker, clock and mode of a deployment go together: what is live belongs with what is live.

In: the deployment and its tree. Out: diagnostics. A simulated fill on live prices, or real orders on made-up ones, would be
believed by somebody; so would real money in a world that never said that it may.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .diagnostics import Diagnostic, Label, problem
from .model import AlpacaBroker, AlpacaFeed, Deployment, Settings
from .section import Section
from .source import Span
from .tree import Scalar


def edges_fit(root: Section, deployment: Deployment) -> Iterator[Diagnostic]:
    """Mistakes between the parts of one deployment."""
    at_alpaca, from_alpaca = isinstance(deployment.broker, AlpacaBroker), isinstance(deployment.feed, AlpacaFeed)
    broker, feed = root.section("broker").scalar("kind"), root.section("feed").scalar("kind")
    clock, mode = root.section("clock").scalar("kind"), root.scalar("mode")
    if at_alpaca and not from_alpaca and broker and feed:
        yield _against(
            feed, broker, "the account is at Alpaca, and these prices are not of now", "feed: {kind: alpaca}"
        )
    if from_alpaca and not at_alpaca and feed:
        yield _against(
            feed, broker, "the built-in broker fills from recorded or made-up bars, and these are live",
            "broker: {kind: alpaca} with `mode: paper`",
        )  # fmt: skip
    if (at_alpaca or from_alpaca) and deployment.clock.kind != "wall":
        place = clock or broker or feed
        assert place is not None
        yield problem("Q0705", "Alpaca's time cannot be replayed", place.span, help="write `clock: {kind: wall}`")
    if deployment.mode == "live" and not at_alpaca and mode:
        yield problem(
            "Q0706",
            "`mode: live` needs a real account",
            mode.span,
            help="write `broker: {kind: alpaca}`, or `mode: paper`",
        )


def may_trade_live(
    deployment: Deployment, mode: Scalar | None, worlds: Sequence[tuple[Span, Settings]]
) -> Iterator[Diagnostic]:
    """Worlds of a live deployment that never said that they may trade real money."""
    if deployment.mode != "live" or mode is None:
        return
    for span, settings in worlds:
        if not settings.allow_live:
            yield problem(
                "Q0706", f"the world `{settings.world}` may not trade real money", span, labels=(Label(mode.span, "live"),),
                help="write `allow_live: true` in it when it may",
            )  # fmt: skip


def _against(place: Scalar, other: Scalar | None, message: str, way: str) -> Diagnostic:
    labels = () if other is None else (Label(other.span, "the broker"),)
    return problem("Q0705", message, place.span, labels=labels, help=f"write `{way}`")
