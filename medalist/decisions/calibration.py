"""Calibration for log-loss: probabilities -> a temperature and a clip, chosen together on labelled rows.

A thousand right answers are no proof that the next mistake never comes, and log-loss charges for that one mistake
without bound. So half an imagined image beyond the clip is answered wrongly, and half a one rightly: Jeffreys' prior,
which loses least against the best bound in hindsight (Krichevsky and Trofimov 1981). With n rows beyond the clip, e of
them wrong, the error rate there is then Beta(e + 1/2, n - e + 1/2), and the clip of two classes is its mean: rows
beyond it are all answered `low`, at the cost -(e + 1/2) log low - (n - e + 1/2) log(1 - low), which is least at
low = (e + 1/2) / (n + 1).

Fits read 2^22 probabilities at most: all rows up to there, beyond it as many rows as that gives, drawn once by a fixed
seed. Of n rows read, the temperature and the clip each cost about 1 / (2 n) nats an image for not knowing better (Wilks
1938): 1e-4 with 1,000 classes, where 4,194 rows are read. A clip then lies where n rows allow it, not all of them.

Axes: N images, C classes.
"""

from __future__ import annotations

import numpy as np

from medalist.metrics import TINY, surprises

HOTTEST = 20.0
IMAGINED = 0.5
WORTH = 2.0  # nats in all that the search for both must save
FLOORS = np.geomspace(1e-6, 0.1, 51)
MOST_FITTED = 2**22  # numbers that a fit reads


def fit_temperature(prob_NC: np.ndarray, y_N: np.ndarray) -> float:
    """The temperature T for which softmax(log(prob) / T) has the least log-loss (Guo et al. 2017, section 4.2).

    With b = 1 / T, gap_i = max_c z_ic - z_iy and s_ic = z_ic - max_c z_ic, row i costs b gap_i + log sum_c exp(b s_ic),
    which is convex in b. The imagined image has the median lead of the first class over the second.

    Args:
        prob_NC: probabilities.
        y_N: true class indices.

    Returns:
        T between 1/20 (sharper) and 20 (flatter); 1 leaves the probabilities alone.
    """
    prob_NC, y_N = _fitted_rows(prob_NC, y_N)
    return _temperature(_logits(prob_NC), y_N)


def _fitted_rows(prob_NC: np.ndarray, y_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows that a fit reads: all, or as many at random as have MOST_FITTED numbers."""
    most = max(1, MOST_FITTED // prob_NC.shape[1])
    if len(y_N) <= most:
        return prob_NC, y_N
    rows = np.sort(np.random.default_rng(0).choice(len(y_N), most, replace=False))
    return prob_NC[rows], y_N[rows]


def _temperature(shifted_NC: np.ndarray, y_N: np.ndarray) -> float:
    """The best temperature of logits."""
    from scipy.optimize import minimize_scalar

    gap = float(-shifted_NC[np.arange(len(y_N)), y_N].sum(dtype=np.float64))
    lead, blocks = _median_lead(shifted_NC), _blocks(shifted_NC)

    def cost(log_b: float) -> float:
        b = np.float32(np.exp(log_b))
        spread = sum(np.log(_powers(shifted_NC[rows], b).sum(axis=1)).sum(dtype=np.float64) for rows in blocks)
        return float(b * gap + spread + IMAGINED * np.logaddexp(0.0, b * lead))

    bound = np.log(HOTTEST)
    best = minimize_scalar(cost, bounds=(-bound, bound), method="bounded", options={"xatol": 1e-3})
    return float(np.exp(-best.x))


def _blocks(array_NC: np.ndarray) -> list[slice]:
    """Slices of rows that stay in a core's cache between steps."""
    step = max(1, 2**16 // array_NC.shape[1])
    return [slice(start, start + step) for start in range(0, len(array_NC), step)]


def _powers(shifted_BC: np.ndarray, b: np.float32) -> np.ndarray:
    """exp(b z)."""
    power_BC = shifted_BC * b
    return np.asarray(np.exp(power_BC, out=power_BC))


def _median_lead(shifted_NC: np.ndarray) -> float:
    """The median lead of the first class over the second, in logits."""
    return float(np.median(-np.partition(shifted_NC, -2, axis=1)[:, -2]))


def apply_temperature(prob_NC: np.ndarray, temperature: float) -> np.ndarray:
    """softmax(log(prob) / temperature), float32."""
    power_NC = np.exp(_logits(prob_NC) / np.float32(temperature))
    return np.asarray(power_NC / power_NC.sum(axis=1, keepdims=True))


def fit_clip(prob_NC: np.ndarray, y_N: np.ndarray, *, high: float | None = None) -> tuple[float, float]:
    """The clip `(low, high)` with the least log-loss, `low` from a grid of 51 between 1e-6 and 0.1 over C - 1.

    Args:
        prob_NC: probabilities, after the temperature.
        y_N: true class indices.
        high: keeps this upper bound; None takes `default_high`.
    """
    prob_NC, y_N = _fitted_rows(prob_NC, y_N)
    num_classes = prob_NC.shape[1]
    worst_1C = np.eye(1, num_classes, dtype=np.float32)
    costs = []
    floors = FLOORS / (num_classes - 1)
    for low in floors:
        bounds = (low, default_high(low, num_classes) if high is None else high)
        wrong = surprises(np.array([num_classes - 1]), apply_clip(worst_1C, *bounds))[0]
        real = sum(surprises(y_N[rows], apply_clip(prob_NC[rows], *bounds)).sum() for rows in _blocks(prob_NC))
        costs.append(float(real) + IMAGINED * wrong)
    low = float(floors[int(np.argmin(costs))])
    return low, default_high(low, num_classes) if high is None else high


def fit_both(prob_NC: np.ndarray, y_N: np.ndarray) -> tuple[float, float]:
    """The temperature and the lower clip with the least log-loss together, the imagined image counted.

    A sharper temperature moves rows beyond the clip, which bounds what they cost: the two are no separate choices. The
    search (Nelder and Mead 1965) starts at the best clip for the best temperature alone, whose imagined image counts
    here too. Its end is taken where it saves 2 nats in all, which chance seldom gives (Wilks 1938).

    Args:
        prob_NC: probabilities.
        y_N: true class indices.
    """
    from scipy.optimize import minimize

    prob_NC, y_N = _fitted_rows(prob_NC, y_N)
    num_classes = prob_NC.shape[1]
    shifted_NC = _logits(prob_NC)
    temperature = _temperature(shifted_NC, y_N)
    low, _ = fit_clip(apply_temperature(prob_NC, temperature), y_N)
    most = np.log(np.array([HOTTEST, FLOORS[-1] / (num_classes - 1)]))
    lead = _median_lead(shifted_NC)

    def cost(log_both: np.ndarray) -> float:
        if (np.abs(log_both[0]) > most[0]) or log_both[1] > most[1]:
            return np.inf
        temperature, low = (float(value) for value in np.exp(log_both))
        imagined = -IMAGINED * np.log(max(low, 1 / (1 + np.exp(lead / temperature))))
        return float(imagined) + _clipped_cost(shifted_NC, y_N, temperature, low)

    start = np.minimum(np.log([temperature, low]), most)
    corners = start + np.array([[0.0, 0.0], [0.1, 0.0], [0.0, -0.5]])
    options = {"initial_simplex": corners, "xatol": 1e-3, "fatol": 1e-6 * len(y_N), "maxfev": 120}
    found = minimize(cost, start, method="Nelder-Mead", options=options)
    best = found.x if cost(start) - found.fun >= WORTH else start
    return float(np.exp(best[0])), float(np.exp(best[1]))


def _clipped_cost(shifted_NC: np.ndarray, y_N: np.ndarray, temperature: float, low: float) -> float:
    """Total log-loss after a clip, with half an image answered wrongly and half a one rightly beyond it.

    Args:
        shifted_NC: logits.
    """
    high = default_high(low, shifted_NC.shape[1])
    right, wrong = beyond(low, shifted_NC.shape[1])
    real = 0.0
    for rows in _blocks(shifted_NC):
        warm_BC = _powers(shifted_NC[rows], np.float32(1 / temperature))
        warm_BC /= warm_BC.sum(axis=1, keepdims=True)
        real += surprises(y_N[rows], _clip_in_place(warm_BC, low, high)).sum()
    return float(real) - IMAGINED * float(np.log(right) + np.log(wrong))


def _clip_in_place(warm_BC: np.ndarray, low: float, high: float) -> np.ndarray:
    """As `apply_clip`, but for the sum of rows of several classes, which log-loss rescales itself."""
    if warm_BC.shape[1] == 2:
        return apply_clip(warm_BC, low, high)
    return np.asarray(np.maximum(warm_BC, np.float32(low), out=warm_BC))


def beyond(low: float, num_classes: int) -> tuple[float, float]:
    """What a certain answer's class, and each other one, get from the clip."""
    total = 1.0 if num_classes == 2 else 1.0 + (num_classes - 1) * low
    return (1.0 - low if num_classes == 2 else 1.0 / total), low / total


def clip_facts(warm_NC: np.ndarray, y_N: np.ndarray, low: float, high: float) -> dict[str, float]:
    """What a clip rests on, for the record.

    Args:
        warm_NC: probabilities after the temperature, before the clip.
        y_N: true class indices.
        low: lower clip.
        high: upper clip.

    Returns:
        `beyond` rows all of whose other classes were raised to the clip, `errors` among them; their `error_rate`, the
        mean of its posterior; `log_loss_in_sample`, of these rows; `expected_gain` of the clip in log-loss at that
        error rate; and `log_loss_one_more`, if one row beyond the clip more were wrong.
    """
    num_classes = warm_NC.shape[1]
    if not len(y_N) or num_classes < 2:
        return {}
    top_N = warm_NC.max(axis=1).astype(np.float64)
    beyond_N = np.count_nonzero(warm_NC >= low, axis=1) <= 1
    num_beyond = int(beyond_N.sum())
    errors = int((warm_NC.argmax(axis=1) != y_N)[beyond_N].sum())
    rate = (errors + IMAGINED) / (num_beyond + 2 * IMAGINED)
    right, wrong = beyond(low, num_classes)
    other_N = np.maximum(1 - top_N[beyond_N], TINY) / (num_classes - 1)
    gain = rate * (np.log(wrong) - np.log(other_N)).sum() + (1 - rate) * (np.log(right) - np.log(top_N[beyond_N])).sum()
    clipped = ((y_N[rows], apply_clip(warm_NC[rows], low, high)) for rows in _blocks(warm_NC))
    loss = float(sum(surprises(*part).sum() for part in clipped)) / len(y_N)
    return {
        "beyond": num_beyond,
        "errors": errors,
        "error_rate": rate,
        "log_loss_in_sample": loss,
        "expected_gain": float(gain) / len(y_N),
        "log_loss_one_more": loss + float(np.log(right) - np.log(wrong)) / len(y_N),
    }


def default_high(low: float, num_classes: int) -> float:
    """The upper bound that goes with `low`: its mirror image for two classes, none for more."""
    return 1.0 - low if num_classes == 2 else 1.0


def apply_clip(prob_NC: np.ndarray, low: float, high: float) -> np.ndarray:
    """Probabilities within [low, high], rows summing to 1, float32.

    Of two classes the second is clipped and the first is the rest; more are clipped each and rescaled.
    """
    clipped_NC = np.clip(prob_NC, np.float32(low), np.float32(high)).astype(np.float32, copy=False)
    if prob_NC.shape[1] == 2:
        return np.stack([1.0 - clipped_NC[:, 1], clipped_NC[:, 1]], axis=1)
    return np.asarray(clipped_NC / clipped_NC.sum(axis=1, keepdims=True))


def _logits(prob_NC: np.ndarray) -> np.ndarray:
    """log(prob), shifted so that each row's largest is 0; float32."""
    logit_NC = np.log(np.maximum(prob_NC, TINY, dtype=np.float32))
    return np.asarray(logit_NC - logit_NC.max(axis=1, keepdims=True))
