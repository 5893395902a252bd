/** The few lines with which a notebook or a shell runs the trials of a job. Pure. */

export const jobAddress = (origin: string, project: string, job: string): string =>
  `${origin}/api/v1/projects/${project}/jobs/${job}`;

export const pythonLines = (address: string): string => `import os
import time

import requests

JOB = "${address}"
hpt = requests.Session()
hpt.headers["Authorization"] = f"Bearer {os.environ['HPT_KEY']}"


def call(path, **body):
    answer = hpt.post(f"{JOB}/{path}", json=body)
    answer.raise_for_status()
    return answer.json()


while hpt.get(JOB).json()["ended_at"] is None:
    asked = call("ask", n=1)
    for trial in asked["trials"]:
        at, attempt = f"trials/{trial['number']}", trial["attempt"]
        for epoch in range(1, 11):
            value = train(epoch, **trial["hyperparameters"])  # yours
            told = call(f"{at}/report", attempt=attempt, points=[{"value": value, "step": epoch}])
            if told["stop"]:
                break
        call(f"{at}/tell", attempt=attempt, value=value)
    if not asked["trials"]:
        time.sleep(5)  # asked["wait"] says what it waits for
`;

export const shellLines = (address: string): string => `JOB=${address}
hpt() { curl -fsS -H "Authorization: Bearer $HPT_KEY" -H "Content-Type: application/json" "$@"; }

# The next trial: its number, its attempt and its hyperparameters.
hpt $JOB/ask -d '{"n": 1}'

# While it runs, as often as you like; the answer says whether to stop.
hpt $JOB/trials/1/report -d '{"attempt": 1, "points": [{"value": 0.5, "step": 1}]}'

# At its end: its value, or why it has none.
hpt $JOB/trials/1/tell -d '{"attempt": 1, "value": 0.9}'
hpt $JOB/trials/2/tell -d '{"attempt": 1, "failure": "out of memory"}'
`;
