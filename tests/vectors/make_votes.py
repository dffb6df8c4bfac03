"""Fits the table of `src/data/synthetic/votes.rs` to the votes released for So2Sat LCZ42, and prints it.

    python make_votes.py FOLDER/so2sat_vote_patterns.csv        (needs numpy)

The released rows have eleven votes; ten are had by leaving out each vote in turn. For each zone (the
majority of the eleven) the table has how often 0, 1, ... 7 of ten votes dissent, the other zones with
weights, and how often a dissenting vote does not go where most of them go ("stray"). Weights and stray
are fitted by drawing from the table as `votes.rs` does. LCZ 7 is not in the release: its row is that of
the ten-class urban set, its dissent and entropy a guess that has the same mean.
"""

import csv
import sys

import numpy as np

ZONES = [1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17]


def entropy(votes):
    p = votes / votes.sum(-1, keepdims=True)
    return -(p * np.log(np.where(p > 0, p, 1))).sum(-1)


def released(path):
    """{zone: (dissent of ten in %, row of the others in %, mean entropy of eleven)}"""
    with open(path) as f:
        table = np.array([[int(cell) for cell in row] for row in list(csv.reader(f))[1:]])
    votes, patches = table[:, :-1], table[:, -1]
    found = {}
    for k, zone in enumerate(ZONES):
        here = votes.argmax(1) == k
        dissent, row = np.zeros(8), np.zeros(16)
        for pattern, n in zip(votes[here], patches[here]):
            for j in np.nonzero(pattern)[0]:
                ten = pattern.copy()
                ten[j] -= 1
                dissent[min(10 - ten[k], 7)] += n * pattern[j] / 11
                row += n * pattern[j] / 11 * ten
        row[k], n = 0, patches[here].sum()
        others = {ZONES[i]: 10 * row[i] / n for i in np.argsort(-row)[:6] if 10 * row[i] / n > 0.03}
        found[zone] = (100 * dissent / n, others, (entropy(votes[here]) * patches[here]).sum() / n)
    return found


def draw(dissent, weights, stray, rng, n=20000):
    """Votes [n, 1 + others], the own zone first, as `votes.rs` draws them."""
    d = rng.choice(8, n, p=dissent / dissent.sum())
    votes = np.zeros((n, 1 + len(weights)))
    votes[:, 0] = 10 - d
    main = rng.choice(len(weights), n, p=weights / weights.sum())
    for vote in range(7):
        active = np.nonzero(d > vote)[0]
        other = rng.choice(len(weights), len(active), p=weights / weights.sum())
        to = np.where(rng.random(len(active)) < stray, other, main[active])
        # No zone overtakes the own one: the vote goes to whichever of the others has fewest.
        full = votes[active, 1 + to] >= votes[active, 0]
        to = np.where(full, votes[active, 1:].argmin(1), to)
        votes[active, 1 + to] += 1
    return votes


def fit(dissent, others, wanted, rng):
    target = np.array(list(others.values()))
    best = (np.inf, None, None)
    for stray in np.arange(0, 1.01, 0.05):
        weights = target.copy()
        for _ in range(6):
            row = draw(dissent, weights, stray, rng)[:, 1:].mean(0) * 10
            weights = weights * np.clip(target / np.maximum(row, 0.01), 0.5, 2)
        votes = draw(dissent, weights, stray, rng)
        off = abs(entropy(votes).mean() - wanted)
        if off < best[0] - 0.002:
            best = (off, stray, weights / weights.sum() * target.sum())
    return best


def main(path):
    rng = np.random.default_rng(0)
    rows = released(path)
    rows[7] = (np.array([0, 3, 17, 27, 22, 18, 10, 3.0]), {3: 31.0, 2: 6.0}, 0.7)
    for zone in range(1, 18):
        dissent, others, wanted = rows[zone]
        off, stray, weights = fit(dissent, others, wanted, rng)
        listed = ", ".join(f"({other}, {w:.2f})" for other, w in zip(others, weights))
        print(f"{zone}: [{', '.join(f'{d:.1f}' for d in dissent)}], {stray:.2f}, [{listed}]  # entropy off by {off:.3f}")


if __name__ == "__main__":
    main(sys.argv[1])
