import { Button } from "@mantine/core";
import { Link } from "wouter";
import { Empty } from "../components/Feedback";
import { Page } from "../components/Shell";

export function NotFoundPage() {
  return (
    <Page crumbs={[{ label: "Not found" }]}>
      <Empty
        title="There is no page at this address"
        action={
          <Button component={Link} href="/projects" variant="default">
            All projects
          </Button>
        }
      >
        The address may be mistyped, or what was here has been renamed or deleted.
      </Empty>
    </Page>
  );
}

/** What others find at an administrator's address. */
export function AdminsOnlyPage() {
  return (
    <Page crumbs={[{ label: "For administrators" }]}>
      <Empty
        title="This page is for administrators"
        action={
          <Button component={Link} href="/queue" variant="default">
            The queue
          </Button>
        }
      >
        They set pools, teams and quotas, and look after the host. What runs and what waits is in the queue
        for everybody; ask an administrator for a higher limit.
      </Empty>
    </Page>
  );
}
