"""`python -m hpt_web.embedded HOST PORT`: what `manage.py up` turns into, so that Django does not stay in memory."""

import sys

from hpt_web.embedded import supervisor

if __name__ == "__main__":
    sys.exit(supervisor.run(supervisor.plan(sys.argv[1], int(sys.argv[2]))))
