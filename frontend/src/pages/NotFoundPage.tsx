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
