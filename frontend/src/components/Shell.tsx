/** What stands around every page: where one is, the way back, the theme and the account. */
import { ActionIcon, Menu, useMantineColorScheme } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { Fragment, type ReactNode, useEffect, useRef } from "react";
import { Link, useLocation } from "wouter";
import { signOut } from "../api/actions";
import type { User } from "../api/types";
import { Icon } from "./Icon";
import classes from "./Shell.module.css";

export interface Crumb {
  label: string;
  href?: string;
}

interface PageProps {
  /** From the outermost; the last is this page, and the document's title. */
  crumbs: readonly Crumb[];
  wide?: boolean;
  /** An inspector stands at the right: the page makes room for it. */
  aside?: boolean;
  children: ReactNode;
}

/** A page's frame inside the shell: breadcrumbs and a main region. */
export function Page({ crumbs, wide = false, aside = false, children }: PageProps) {
  const title = crumbs.at(-1)?.label;
  useEffect(() => {
    document.title = title ? `${title} · HPT` : "HPT";
  }, [title]);
  return (
    <main id="main" tabIndex={-1} className={wide ? classes.wide : classes.main} data-aside={aside}>
      {crumbs.length > 1 && (
        <nav aria-label="Breadcrumb" className={classes.crumbs}>
          {crumbs.slice(0, -1).map((crumb) => (
            <Fragment key={crumb.label + crumb.href}>
              {crumb.href ? <Link href={crumb.href}>{crumb.label}</Link> : <span>{crumb.label}</span>}
              <span aria-hidden="true">/</span>
            </Fragment>
          ))}
        </nav>
      )}
      {children}
    </main>
  );
}

const PARTS = [
  { href: "/projects", label: "Projects" },
  { href: "/queue", label: "Queue" },
  { href: "/usage", label: "Usage" },
  { href: "/host", label: "Host", admin: true },
  { href: "/administration", label: "Administration", admin: true },
];

export function Shell({ user, children }: { user: User; children: ReactNode }) {
  const [location] = useLocation();
  const bar = useMeasured();
  return (
    <>
      <a className="skip" href="#main">
        Skip to the content
      </a>
      <header ref={bar} className={classes.bar}>
        <Link href="/projects" className={classes.mark} aria-label="HPT, all projects">
          <img src="/favicon.svg" alt="" width="20" height="20" />
          HPT
        </Link>
        <nav aria-label="Main" className={classes.nav}>
          {PARTS.filter((part) => user.is_admin || !part.admin).map((part) => (
            <Link
              key={part.href}
              href={part.href}
              aria-current={
                location === part.href || location.startsWith(`${part.href}/`) ? "page" : undefined
              }
            >
              {part.label}
            </Link>
          ))}
          <a href="/api/v1/docs" target="_blank" rel="noreferrer">
            API
          </a>
        </nav>
        <ThemeMenu />
        <AccountMenu user={user} />
      </header>
      {children}
    </>
  );
}

/** Tells the styles how high the bar is, which has two rows where there is little room: what stands below needs it. */
function useMeasured() {
  const bar = useRef<HTMLElement>(null);
  useEffect(() => {
    if (!bar.current) return;
    const tell = () =>
      document.documentElement.style.setProperty("--bar-height", `${bar.current?.offsetHeight ?? 0}px`);
    const observer = new ResizeObserver(tell);
    observer.observe(bar.current);
    return () => observer.disconnect();
  }, []);
  return bar;
}

function ThemeMenu() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const icon = { light: "sun", dark: "moon", auto: "screen" } as const;
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon color="gray" aria-label={`Theme: ${colorScheme}`}>
          <Icon name={icon[colorScheme]} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {(["light", "dark", "auto"] as const).map((scheme) => (
          <Menu.Item
            key={scheme}
            leftSection={<Icon name={icon[scheme]} />}
            rightSection={scheme === colorScheme ? <Icon name="check" /> : null}
            onClick={() => setColorScheme(scheme)}
          >
            {{ light: "Light", dark: "Dark", auto: "As the system" }[scheme]}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

function AccountMenu({ user }: { user: User }) {
  const client = useQueryClient();
  const leave = async () => {
    await signOut();
    client.clear();
    window.location.assign("/login");
  };
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <button type="button" className={classes.account} aria-label={`Account of ${user.username}`}>
          <Icon name="person" />
          {user.username}
        </button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item component={Link} href="/account">
          Account and access keys
        </Menu.Item>
        <Menu.Item onClick={leave}>Sign out</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
