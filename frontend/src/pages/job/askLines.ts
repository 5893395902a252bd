/** The few lines with which a notebook or a shell runs the trials of a job. Pure. */

export const jobAddress = (origin: string, project: string, job: string): string =>
  `${origin}/api/v1/projects/${project}/jobs/${job}`;

export const pythonLines = (address: string): string => `import json
import os
import time
import urllib.request

JOB = "${address}"
HEADERS = {"Authorization": "Bearer " + os.environ["HPT_KEY"], "Content-Type": "application/json"}


def call(path, **body):
    request = urllib.request.Request(f"{JOB}/{path}", json.dumps(body).encode(), HEADERS)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


while True:
    asked = call("ask", n=1)
    if not asked["trials"]:
        if asked["wait"] is None:
            break  # the job is over
        time.sleep(2)
    for trial in asked["trials"]:
        at, attempt = f"trials/{trial['number']}", trial["attempt"]
        try:
            for epoch in range(1, 11):
                value = train(epoch, trial["hyperparameters"])  # yours
                told = call(f"{at}/report", attempt=attempt, points=[{"value": value, "step": epoch}])
                if told["stop"]:  # with told["pause"] it may be resumed: keep its checkpoint
                    break
        except ArithmeticError as error:  # or whatever else your training raises
            call(f"{at}/tell", attempt=attempt, failure=str(error))
        else:
            call(f"{at}/tell", attempt=attempt)  # the last value counts
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
