import { Button, PasswordInput, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useEffect, useState } from "react";
import { signIn } from "../api/actions";
import { session } from "../api/queries";
import { Notice } from "../components/Feedback";
import classes from "./LoginPage.module.css";

export function LoginPage() {
  const client = useQueryClient();
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  useEffect(() => {
    document.title = "Sign in · HPT";
  }, []);
  const enter = useMutation({
    mutationFn: () => signIn(username, password),
    onSuccess: () => client.invalidateQueries({ queryKey: session.queryKey }),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    enter.mutate();
  };
  return (
    <main className={classes.page}>
      <form className={classes.card} onSubmit={submit}>
        <div className={classes.mark}>
          <img src="/favicon.svg" alt="" width="32" height="32" />
          <h1>Sign in to HPT</h1>
        </div>
        <TextInput
          size="sm"
          label="Name"
          autoComplete="username"
          autoFocus
          required
          withAsterisk={false}
          value={username}
          onChange={(event) => setUsername(event.currentTarget.value)}
        />
        <PasswordInput
          label="Password"
          autoComplete="current-password"
          required
          withAsterisk={false}
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
        />
        {enter.error && <Notice tone="bad">{enter.error.message}</Notice>}
        <Button type="submit" size="sm" loading={enter.isPending}>
          Sign in
        </Button>
        <p className={classes.hint}>
          The first administrator's one-time password is printed where the service was started. Others ask an
          administrator for an account.
        </p>
      </form>
    </main>
  );
}
