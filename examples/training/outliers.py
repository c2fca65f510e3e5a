"""Emphasis backfires: hard rows shown more often are a help, until the hardest rows are those with wrong labels.

python examples/training/outliers.py

1,000 digits, some with random labels; `Hard` shows rows in proportion to their loss. The control is importance sampling
(correction=1): hard rows come more often, but weigh less for it, and the gradient remains in the mean that of all rows.
Right: how much of what is shown has random labels, where a tenth of the rows do. Mean and range of three draws.
"""

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure

import bioneuro
from bioneuro.training import Hard, Key
from bioneuro.viz.style import SETTINGS
from feedforward import NetworkClassifier
from feedforward.instruments import activity

ROWS, EPOCHS, SHARES = 1000, 15, np.array([0, 0.02, 0.05, 0.1, 0.2])
KINDS = {"each row once": None, "hard rows more often": Hard(1), "more often, with less weight": Hard(1, correction=1)}
digits = bioneuro.load_digits()


def learn(emphasis, share, seed):
    """Error on new digits, and of each epoch the share of random labels among the rows that it shows."""
    rows, new = digits.split(test_size=len(digits) - ROWS, random_state=seed)
    draw, y, shown = np.random.default_rng(seed), rows.y.copy(), [share]
    y[: int(share * ROWS)] = draw.integers(10, size=int(share * ROWS))

    def ask(seen):
        answers = activity(seen.parameters, rows.X - rows.X.mean(axis=0))["output"]
        losses, key = -np.log(answers[np.arange(ROWS), y] + 1e-30), Key.from_seed(seed).child(seen.epoch)
        order = (emphasis or Hard(0)).order(ROWS, key, losses=losses)
        shown.append(np.mean(order < share * ROWS))

    net = NetworkClassifier((50,), l2=0, emphasis=emphasis, epochs=EPOCHS, callbacks=[ask], random_state=seed)
    return 1 - net.fit(rows.X, y).score(new.X, new.y), shown[:-1]


rcParams.update(SETTINGS)
left, right = (figure := Figure(figsize=(11, 4.4), layout="constrained")).subplots(1, 2)
runs = {kind: [[learn(e, share, seed) for share in SHARES] for seed in range(3)] for kind, e in KINDS.items()}
errors = {kind: np.array([[error for error, _ in row] for row in found]) for kind, found in runs.items()}
shown = {kind: np.array([row[3][1] for row in found]) for kind, found in runs.items()}
bioneuro.viz.bands(errors, SHARES, percent=True, title="Hard rows more often: better, until labels are wrong", ax=left)
left.set(xlabel="rows with random labels", ylabel="error on 797 new digits", ylim=(0, 0.07))
bioneuro.viz.bands(shown, range(1, EPOCHS + 1), title="The more is learnt, the more it shows what is wrong", ax=right)
right.set(xlabel="epoch", ylabel="random labels among the rows shown", ylim=(0, 1))
for kind, found in errors.items():
    print(f"{kind}: error {found[:, 0].mean():.1%} with right labels, {found[:, 3].mean():.1%} with a tenth random")
figure.savefig("outliers.png", dpi=150)
