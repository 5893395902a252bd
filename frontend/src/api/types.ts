/** Short names for the generated shapes (`npm run generate`); nothing is written down here a second time. */
import type { components } from "./schema";

type Schemas = components["schemas"];

export type AccessKey = Schemas["AccessKey"];
export type Algorithm = Schemas["Algorithm"];
export type AlgorithmVersion = Schemas["AlgorithmVersion"];
export type AlgorithmVersionRequest = Schemas["AlgorithmVersionRequest"];
export type Artifacts = Schemas["Artifacts"];
export type Attempt = Schemas["Attempt"];
export type Bundle = Schemas["Bundle"];
export type BundleFile = Schemas["BundleFile"];
export type CatalogueEntry = Schemas["CatalogueEntry"];
export type CatalogueOption = Schemas["CatalogueOption"];
export type CleanedUp = Schemas["CleanedUp"];
export type CleanUpDocument = Schemas["CleanUpDocumentRequest"];
export type Dataset = Schemas["Dataset"];
export type DatasetVersion = Schemas["DatasetVersion"];
export type Decision = Schemas["Decision"];
export type Fault = Schemas["Fault"];
export type GoneItem = Schemas["GoneItem"];
export type Holder = Schemas["Holder"];
export type Host = Schemas["Host"];
export type HyperparameterDefinition = Schemas["HyperparameterDefinition"];
export type Job = Schemas["Job"];
export type JobChanges = Schemas["PatchedJobChangesRequest"];
export type JobCheck = Schemas["JobCheck"];
export type JobDetail = Schemas["JobDetail"];
export type JobDocument = Schemas["JobDocument"];
export type JobDocumentRequest = Schemas["JobDocumentRequest"];
export type KeptItem = Schemas["KeptItem"];
export type Limits = Schemas["Limits"];
export type LogPart = Schemas["LogPart"];
export type Member = Schemas["Member"];
export type MetricDefinition = Schemas["MetricDefinition"];
export type Parameter = Schemas["Parameter"];
export type Pool = Schemas["Pool"];
export type PoolRequest = Schemas["PoolRequest"];
export type PoolState = Schemas["PoolState"];
export type Problem = Schemas["Problem"];
export type Profile = Schemas["Profile"];
export type Project = Schemas["Project"];
export type ProjectStorage = Schemas["ProjectStorage"];
export type Queue = Schemas["Queue"];
export type QueuedJob = Schemas["QueuedJob"];
export type Quota = Schemas["Quota"];
export type QuotaRequest = Schemas["QuotaRequest"];
export type Role = Schemas["Role"];
export type RuleCheck = Schemas["RuleCheck"];
export type Share = Schemas["Share"];
export type ShareRequest = Schemas["ShareRequest"];
export type Snapshot = Schemas["Snapshot"];
export type Standing = Schemas["Standing"];
export type Team = Schemas["Team"];
export type Trial = Schemas["Trial"];
export type TrialDetail = Schemas["TrialDetail"];
export type TrialUsage = Schemas["TrialUsage"];
export type Usage = Schemas["Usage"];
export type UsageEntry = Schemas["UsageEntry"];
export type UsageSum = Schemas["UsageSum"];
export type User = Schemas["User"];

export type Value = string | number;
export type Counts = Readonly<Record<string, number>>;
export interface Page<Item> {
  items: Item[];
  next: string | null;
}
