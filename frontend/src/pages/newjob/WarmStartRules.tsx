import type { RuleCheck } from "../../api/types";
import { plural } from "../../components/format";
import { Icon } from "../../components/Icon";
import classes from "./WarmStartRules.module.css";

/** One rule with what it says about each parent. */
export interface Rule {
  rule: string;
  title: string;
  checks: readonly RuleCheck[];
  verdict: "met" | "broken" | "warning";
}

/** Rules by their numbers, each with all that the server says of it. Pure. */
export function rulesOf(checks: readonly RuleCheck[]): Rule[] {
  const grouped = new Map<string, RuleCheck[]>();
  for (const check of checks) grouped.set(check.rule, [...(grouped.get(check.rule) ?? []), check]);
  const numberOf = (rule: RuleCheck[]) => Number(rule[0]?.rule.replace(/\D/g, ""));
  const inOrder = [...grouped.values()].sort((a, b) => numberOf(a) - numberOf(b));
  return inOrder.map((own) => {
    const first = own[0] as RuleCheck;
    const unmet = own.filter((check) => !check.ok);
    const verdict = unmet.some((check) => check.severity === "error")
      ? "broken"
      : unmet.length
        ? "warning"
        : "met";
    return { rule: first.rule, title: first.title, checks: own, verdict };
  });
}

/** Every rule of warm start, met or broken, with its numbers; it follows each change of the form. */
export function WarmStartRules({ checks, stale }: { checks: readonly RuleCheck[]; stale: boolean }) {
  const rules = rulesOf(checks);
  const broken = rules.filter((rule) => rule.verdict === "broken").length;
  const warned = rules.filter((rule) => rule.verdict === "warning").length;
  const summary = [
    plural(rules.length - broken - warned, "rule met", "rules met"),
    broken > 0 && `${broken} broken`,
    warned > 0 && plural(warned, "remark"),
  ].filter(Boolean);
  return (
    <div className={classes.rules} data-stale={stale}>
      <p className={classes.summary} role="status" data-broken={broken > 0}>
        {summary.join(", ")}
      </p>
      <ol className={classes.list}>
        {rules.map((rule) => (
          <li key={rule.rule} className={classes.rule} data-verdict={rule.verdict}>
            <span className={classes.sign}>
              <Icon
                name={rule.verdict === "met" ? "check" : rule.verdict === "warning" ? "warning" : "close"}
                size={14}
              />
              <span className="visually-hidden">{rule.verdict}</span>
            </span>
            <div>
              <p className={classes.title}>
                <span className={classes.number}>{rule.rule}</span> {rule.title}
              </p>
              {detailsOf(rule).map(({ key, parent, detail, ok }) => (
                <p key={key} className={classes.detail} data-ok={ok}>
                  {parent && <b>{parent}: </b>}
                  {detail}
                </p>
              ))}
            </div>
          </li>
        ))}
      </ol>
    </div>
  );
}

/** Where all parents are told the same, it is told once. */
function detailsOf(rule: Rule): { key: string; parent: string | null; detail: string; ok: boolean }[] {
  const same =
    rule.checks.length > 1 && rule.checks.every((check) => check.detail === rule.checks[0]?.detail);
  const shown = same ? rule.checks.slice(0, 1) : rule.checks;
  return shown.map((check, index) => ({
    key: `${index}/${check.parent}`,
    parent: same || rule.checks.length === 1 ? null : check.parent,
    detail: check.detail,
    ok: check.ok,
  }));
}
