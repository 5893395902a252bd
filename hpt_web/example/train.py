"""A random forest on handwritten digits: a plain script that knows nothing of the service.

It reads its hyperparameters from the command line and prints precision, recall and F1 as the forest grows. Try it:

    python train.py --train ../data/ --n-estimators 100
"""

import argparse
import os
from pathlib import Path

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import precision_recall_fscore_support
from sklearn.model_selection import train_test_split

parser = argparse.ArgumentParser()
parser.add_argument("--n-estimators", type=int, default=100)
parser.add_argument("--max-depth", type=int, default=10)
parser.add_argument("--min-samples-leaf", type=int, default=1)
parser.add_argument("--max-features", default="sqrt")
parser.add_argument("--min-weight-fraction-leaf", type=float, default=0.0)
parser.add_argument("--train", default=os.environ.get("SM_CHANNEL_TRAIN", "."))
options = parser.parse_args()

table = np.loadtxt(next(Path(options.train).glob("*.csv")), delimiter=",", skiprows=1)
x_train, x_valid, y_train, y_valid = train_test_split(
    table[:, :-1], table[:, -1].astype(int), test_size=0.5, random_state=0
)
forest = RandomForestClassifier(
    max_depth=options.max_depth,
    min_samples_leaf=options.min_samples_leaf,
    max_features=options.max_features,
    min_weight_fraction_leaf=options.min_weight_fraction_leaf,
    random_state=0,
    warm_start=True,  # each round adds trees to those that are there
)
rounds = sorted({max(1, options.n_estimators * share // 5) for share in range(1, 6)})
for trees in rounds:
    forest.set_params(n_estimators=trees).fit(x_train, y_train)
    precision, recall, f1, _ = precision_recall_fscore_support(
        y_valid, forest.predict(x_valid), average="weighted", zero_division=0
    )
    print(f"trees: {trees} pre: {precision:.5f} rec: {recall:.5f} f1: {f1:.5f}", flush=True)
