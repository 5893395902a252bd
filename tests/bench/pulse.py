"""A trial that trains nothing: prints so many lines with the time of printing as its metric, with pauses in between.

python pulse.py --lines 20 --pause 0.01 ...
"""

import sys
import time

# No argparse: what this script costs is the floor that the service is held against.
given = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
lines, pause = int(given["--lines"]), float(given["--pause"])
for number in range(lines):
    if number:
        time.sleep(pause)
    sys.stdout.write(f'{{"stamp": {time.time():.6f}}}\n')
    sys.stdout.flush()
