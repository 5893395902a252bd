import { Button, Modal, Textarea, TextInput } from "@mantine/core";
import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Link, useLocation } from "wouter";
import { createProject } from "../api/actions";
import { faultsOf } from "../api/faults";
import { projects } from "../api/queries";
import type { Project } from "../api/types";
import { Empty, Failure, Loading } from "../components/Feedback";
import { FormFaults } from "../components/FormFaults";
import { plural } from "../components/format";
import { Icon } from "../components/Icon";
import { MoreRows, rowsOf } from "../components/MoreRows";
import { Page } from "../components/Shell";
import { StateGlyph } from "../components/States";
import classes from "./ProjectsPage.module.css";

export function ProjectsPage() {
  const list = useInfiniteQuery(projects);
  const [creating, setCreating] = useState(false);
  const items = rowsOf(list.data);
  const create = (
    <Button leftSection={<Icon name="plus" />} onClick={() => setCreating(true)}>
      New project
    </Button>
  );
  return (
    <Page crumbs={[{ label: "Projects" }]}>
      <div className="row between" style={{ marginBottom: "1rem" }}>
        <h1>Projects</h1>
        {items.length > 0 && create}
      </div>
      {list.error && !list.data && <Failure error={list.error} retry={list.refetch} />}
      {list.isPending && <Loading rows={6} />}
      {list.data && items.length === 0 && (
        <Empty title="No project yet" action={create}>
          A project holds a team's datasets, algorithms and tuning jobs. Make one, or ask an owner of an
          existing one to add you.
        </Empty>
      )}
      <ul className={classes.grid}>
        {items.map((project) => (
          <ProjectCard key={project.slug} project={project} />
        ))}
      </ul>
      <MoreRows of={list} />
      <NewProject open={creating} close={() => setCreating(false)} />
    </Page>
  );
}

function ProjectCard({ project }: { project: Project }) {
  return (
    <li className={classes.card}>
      <div className="row between">
        <h2>
          <Link href={`/projects/${project.slug}`} className={classes.name}>
            {project.name}
          </Link>
        </h2>
        <span className="quiet small">{project.role}</span>
      </div>
      <p className={classes.text}>{project.description || <span className="quiet">No description</span>}</p>
      <p className={classes.counts}>
        <span>{plural(project.jobs, "job")}</span>
        <span>{plural(project.datasets, "dataset")}</span>
        <span>{plural(project.algorithms, "algorithm")}</span>
        {project.active_jobs > 0 && (
          <span className={classes.active}>
            <StateGlyph state="Running" /> {project.active_jobs} active
          </span>
        )}
      </p>
    </li>
  );
}

const slugOf = (name: string): string =>
  name
    .toLowerCase()
    .normalize("NFKD")
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 63);

function NewProject({ open, close }: { open: boolean; close: () => void }) {
  const client = useQueryClient();
  const [, go] = useLocation();
  const [name, setName] = useState("");
  const [slug, setSlug] = useState<string | null>(null);
  const [description, setDescription] = useState("");
  const create = useMutation({
    mutationFn: () => createProject({ name, slug: slug ?? slugOf(name), description }),
    onSuccess: async (project) => {
      await client.invalidateQueries({ queryKey: projects.queryKey });
      go(`/projects/${project.slug}`);
    },
  });
  const faults = faultsOf(create.error);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    create.mutate();
  };
  return (
    <Modal opened={open} onClose={close} title={<b>New project</b>}>
      <form className="stack" onSubmit={submit}>
        <TextInput
          label="Name"
          data-autofocus
          value={name}
          error={faults.at("name")}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <TextInput
          label="Name in addresses"
          description="Small letters, digits and hyphens. It stays when the name changes."
          value={slug ?? slugOf(name)}
          error={faults.at("slug")}
          onChange={(event) => setSlug(event.currentTarget.value)}
        />
        <Textarea
          label="Description"
          autosize
          minRows={2}
          value={description}
          error={faults.at("description")}
          onChange={(event) => setDescription(event.currentTarget.value)}
        />
        <FormFaults faults={faults} />
        <div className="row" style={{ justifyContent: "flex-end" }}>
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button type="submit" loading={create.isPending}>
            Create
          </Button>
        </div>
      </form>
    </Modal>
  );
}
