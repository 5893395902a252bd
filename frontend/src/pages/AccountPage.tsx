import { SegmentedControl, useMantineColorScheme } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { session } from "../api/queries";
import { Panel } from "../components/Panel";
import { Page } from "../components/Shell";
import { AccessKeys } from "./account/AccessKeys";
import { Password } from "./account/Password";

export default function AccountPage() {
  const { data } = useQuery(session);
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  return (
    <Page crumbs={[{ label: "Account" }]}>
      <div className="stack">
        <header>
          <h1>{data?.user?.username}</h1>
          <p className="quiet">
            {data?.user?.email || "No address"}
            {data?.user?.is_admin && ", administrator"}
          </p>
        </header>
        <Panel title="Theme" note="kept in this browser">
          <SegmentedControl
            aria-label="Theme"
            data={[
              { value: "light", label: "Light" },
              { value: "dark", label: "Dark" },
              { value: "auto", label: "As the system" },
            ]}
            value={colorScheme}
            onChange={(value) => setColorScheme(value as "light" | "dark" | "auto")}
          />
        </Panel>
        <AccessKeys />
        <Password username={data?.user?.username ?? ""} />
      </div>
    </Page>
  );
}
