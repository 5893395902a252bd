import { Link } from "wouter";
import { Page } from "../components/Shell";
import { PoolsTab } from "./admin/PoolsTab";
import { QuotasTab } from "./admin/QuotasTab";
import { StoragesTab } from "./admin/StoragesTab";
import { TeamsTab } from "./admin/TeamsTab";
import { NotFoundPage } from "./NotFoundPage";
import classes from "./ProjectPage.module.css";

const TABS = { pools: "Pools and shares", teams: "Teams", quotas: "Quotas", storage: "Storage" } as const;
type Tab = keyof typeof TABS;

/** What is shared out, to whom, and within which limits. */
export default function AdminPage({ tab = "pools" }: { tab?: string | undefined }) {
  if (!(tab in TABS)) return <NotFoundPage />;
  return (
    <Page crumbs={[{ label: "Administration" }]} wide>
      <header className={classes.head}>
        <h1>Administration</h1>
        <p className="quiet">
          Nothing that is set here stops a trial that runs; it only bounds what may start.
        </p>
        <a href="/admin/" className="small" style={{ marginLeft: "auto" }}>
          Accounts and audit
        </a>
      </header>
      <nav className={classes.tabs} aria-label="Parts of the administration">
        {(Object.keys(TABS) as Tab[]).map((name) => (
          <Link
            key={name}
            href={`/administration/${name}`}
            className={classes.tab}
            aria-current={name === tab ? "page" : undefined}
          >
            {TABS[name]}
          </Link>
        ))}
      </nav>
      {tab === "pools" && <PoolsTab />}
      {tab === "teams" && <TeamsTab />}
      {tab === "quotas" && <QuotasTab />}
      {tab === "storage" && <StoragesTab />}
    </Page>
  );
}
