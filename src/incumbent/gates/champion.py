"""The champion/challenger rule of EQ V7.3 on point values: promote if and only if the margin is beaten and no guardrail breaks.

Where both models' answers to the same rows are at hand, judge() compares them in pairs instead, and knows the noise.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from incumbent.base.errors import InvalidInput

Z_95 = 1.96
"""As the source rounds it (EQ V7.3, worked example)."""


@dataclass(frozen=True, slots=True)
class Guardrail:
    """A number that must stay within its limit; at the limit it holds.

    >>> Guardrail("p99_latency_ms", 180.0, 200.0, higher_is_better=False).holds
    True
    """

    name: str
    value: float
    limit: float
    higher_is_better: bool = True

    @property
    def holds(self) -> bool:
        """Whether the value is on the right side of its limit."""
        return self.value >= self.limit if self.higher_is_better else self.value <= self.limit


@dataclass(frozen=True, slots=True)
class Decision:
    """What EQ V7.3 says, and why.

    Attributes:
        promote: Whether the challenger takes the champion's place.
        gain: Challenger minus champion.
        margin: What the gain had to exceed.
        beats_margin: Whether it did.
        breaches: Guardrails that do not hold, in the order given.
    """

    promote: bool
    gain: float
    margin: float
    beats_margin: bool
    breaches: tuple[str, ...]

    @property
    def reason(self) -> str:
        """One sentence for people."""
        sign = ">" if self.beats_margin else "<="
        broken = f"broken guardrails: {', '.join(self.breaches)}" if self.breaches else "every guardrail holds"
        return f"{'promote' if self.promote else 'keep the champion'}: gain {self.gain:+.6g} {sign} margin {self.margin:.6g}; {broken}"


def _finite(name: str, value: float) -> float:
    if not math.isfinite(value):
        raise InvalidInput(f"{name} is {value}: a metric that is not a finite number decides nothing; look at how it was measured")
    return value


def champion_challenger(*, m_champ: float, m_chal: float, delta: float, guardrails: Iterable[Guardrail] = ()) -> Decision:
    """Decide by EQ V7.3: promote <=> (m_chal - m_champ > delta) and every guardrail holds.

    Args:
        m_champ: The champion's primary metric, higher is better.
        m_chal: The challenger's, on the same frozen holdout.
        delta: The margin, in the metric's unit; it must exceed the metric's noise (see `noise_margin`).
        guardrails: The challenger's.

    Raises:
        InvalidInput: A number is NaN or infinite, delta is not above 0, or two guardrails have one name.

    >>> latency = Guardrail("p99_latency_ms", 240.0, 200.0, higher_is_better=False)
    >>> champion_challenger(m_champ=0.842, m_chal=0.857, delta=0.005, guardrails=[latency]).breaches
    ('p99_latency_ms',)
    """
    if not _finite("delta", delta) > 0:
        raise InvalidInput(f"delta is {delta}; a margin of 0 or less would promote on a coin flip")
    rails = tuple(guardrails)
    names = [rail.name for rail in rails]
    for rail in rails:
        _finite(f"guardrail {rail.name}", rail.value)
        _finite(f"the limit of guardrail {rail.name}", rail.limit)
        if names.count(rail.name) > 1:
            raise InvalidInput(f"two guardrails are called {rail.name}; give each its own name")
    gain = _finite("the challenger's metric", m_chal) - _finite("the champion's metric", m_champ)
    beats, breaches = gain > delta, tuple(rail.name for rail in rails if not rail.holds)
    return Decision(beats and not breaches, gain, delta, beats, breaches)


def noise_margin(p: float, m: int) -> float:
    """Return the 95 % half-width of a proportion on m rows, 1.96 * sqrt(p (1 - p) / m): the source's margin (EQ V1.2, V7.3).

    It is the noise of one model. For two models on the same rows it is too wide by far if they agree on most rows, and too
    narrow by sqrt(2) if they err independently: a paired comparison knows which.

    Raises:
        InvalidInput: `p` is not from 0 to 1, or `m` below 1.

    >>> round(noise_margin(0.9, 2000), 5)
    0.01315
    """
    if not 0.0 <= p <= 1.0 or m < 1:
        raise InvalidInput(f"a proportion of {p} on {m} rows has no noise to tell: p is from 0 to 1, m at least 1")
    return Z_95 * math.sqrt(p * (1 - p) / m)
