"""A trial that trains nothing: prints the time of printing as its metric, at random moments.

python printer.py --rate 2 --seconds 30
"""

import argparse
import random
import sys
import time

parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float, default=2.0, help="lines a second, on average")
parser.add_argument("--seconds", type=float, default=30.0)
parser.add_argument("--x", type=float, default=0.0, help="what is tuned; it changes nothing")
options = parser.parse_args()

rng = random.Random(options.x)
end = time.monotonic() + options.seconds
while True:
    pause = rng.expovariate(options.rate)
    if time.monotonic() + pause > end:
        break
    time.sleep(pause)
    sys.stdout.write(f"stamp={time.time():.6f}\n")
    sys.stdout.flush()
