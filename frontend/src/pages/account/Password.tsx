import { Button, PasswordInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { changePassword } from "../../api/actions";
import { Faults, faultsOf } from "../../api/faults";
import { Notice } from "../../components/Feedback";
import { FormFaults } from "../../components/FormFaults";
import { Panel } from "../../components/Panel";
import { Fields } from "../../components/Section";

export function Password({ username }: { username: string }) {
  const [current, setCurrent] = useState("");
  const [password, setPassword] = useState("");
  const change = useMutation({
    mutationFn: () => changePassword(current, password),
    onSuccess: () => {
      setCurrent("");
      setPassword("");
    },
  });
  const faults = faultsOf(change.error);
  const elsewhere = new Faults(faults.all.filter(({ field }) => field !== "current" && field !== "password"));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    change.mutate();
  };
  return (
    <Panel title="Password" note="sessions in other browsers end when it changes">
      <form className="stack" onSubmit={submit}>
        {/* For password managers, which otherwise do not know whose it is. */}
        <input type="text" autoComplete="username" value={username} readOnly hidden />
        <Fields>
          <PasswordInput
            size="xs"
            label="Present password"
            autoComplete="current-password"
            value={current}
            error={faults.at("current")}
            aria-invalid={faults.at("current") !== undefined}
            onChange={(event) => setCurrent(event.currentTarget.value)}
          />
          <PasswordInput
            size="xs"
            label="New password"
            autoComplete="new-password"
            value={password}
            error={faults.at("password")}
            aria-invalid={faults.at("password") !== undefined}
            onChange={(event) => setPassword(event.currentTarget.value)}
          />
        </Fields>
        <FormFaults faults={elsewhere} />
        {change.isSuccess && !current && !password && <Notice tone="calm">The password is changed.</Notice>}
        <div>
          <Button type="submit" variant="default" loading={change.isPending} disabled={!current || !password}>
            Change the password
          </Button>
        </div>
      </form>
    </Panel>
  );
}
