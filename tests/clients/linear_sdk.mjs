// Linear's official SDK at an address of ours. Prints {call: what came of it}; an error is {"error": its words}.
import { pathToFileURL } from "node:url";

const [modules, apiUrl, accessToken] = process.argv.slice(2);
const { LinearClient } = await import(pathToFileURL(`${modules}/@linear/sdk/dist/index.mjs`).href);
const linear = new LinearClient({ accessToken, apiUrl });
const told = {};
const did = async (name, work) => {
  try {
    told[name] = (await work()) ?? null;
  } catch (error) {
    told[name] = { error: error.message };
  }
};
const names = (page) => page.nodes.map((each) => each.name);

const issue = await linear.issue("ENG-1");
const viewer = await linear.viewer;
const organization = await linear.organization;
const team = await linear.team("ENG");
const project = (await linear.projects()).nodes[0];
const comment = (await issue.comments()).nodes[0];

await did("viewer", () => viewer.displayName);
await did("viewer.teams", async () => names(await viewer.teams()));
await did("viewer.assignedIssues", async () => (await viewer.assignedIssues()).nodes.map((each) => each.identifier));
await did("organization", () => organization.urlKey);
await did("organization.users", async () => names(await organization.users()));
await did("teams", async () => (await linear.teams()).nodes.map((each) => each.key).sort());
await did("team.membership", async () => (await team.viewerMembership).owner);
await did("team.states", async () => names(await team.states()));
await did("team.labels", async () => names(await team.labels()));
await did("users", async () => names(await linear.users()));
await did("user", async () => (await linear.user(viewer.id)).isMe);
await did("issues", async () => (await linear.issues({ first: 3 })).nodes.length);
await did("issues.next", async () => (await (await linear.issues({ first: 3 })).fetchNext()).nodes.length);
await did("issue", () => issue.title);
await did("issue.state", async () => (await issue.state).name);
await did("issue.team", async () => (await issue.team).key);
await did("issue.assignee", async () => (await issue.assignee).displayName);
await did("issue.labels", async () => names(await issue.labels()));
await did("issue.sharedAccess", () => issue.sharedAccess.isShared);
await did("searchIssues", async () => (await linear.searchIssues("dark mode")).nodes.map((each) => each.identifier));
await did("comments", async () => (await linear.comments()).nodes.length);
await did("comment", async () => (await linear.comment({ id: comment.id })).body);
await did("comment.user", async () => (await comment.user).displayName);
await did("project", async () => (await linear.project(project.id)).name);
await did("project.lead", async () => (await project.lead).displayName);
await did("project.status", async () => (await project.status).name);
await did("workflowStates", async () => (await linear.workflowStates()).nodes.length);
await did("issueLabels", async () => names(await linear.issueLabels()));
await did("cycles", async () => (await linear.cycles()).nodes.map((each) => each.number));
await did("attachments", async () => (await linear.attachments()).nodes.length);
await did("rateLimitStatus", async () => (await linear.rateLimitStatus).limits.map((each) => each.type));
await did("createIssue", async () => {
  const made = await (await linear.createIssue({ teamId: team.id, title: "From the SDK" })).issue;
  await did("issue.update", async () => (await (await made.update({ priority: 1 })).issue).priorityLabel);
  await did("createComment", async () => {
    const payload = await linear.createComment({ issueId: made.id, body: "Said." });
    return (await payload.comment).body;
  });
  await did("attachmentLinkURL", async () => {
    const payload = await linear.attachmentLinkURL(made.id, "https://acme.example/1", { title: "One" });
    return (await payload.attachment).title;
  });
  await did("issue.archive", async () => (await made.archive()).success);
  return made.title;
});
await did("createProjectUpdate", async () => {
  const payload = await linear.createProjectUpdate({ projectId: project.id, body: "On time.", health: "onTrack" });
  return (await payload.projectUpdate).body;
});
await did("introspection", async () => {
  const query = "{ __schema { queryType { name } types { name fields { name } } } }";
  const { __schema } = (await linear.client.rawRequest(query)).data;
  return __schema.types.some((each) => each.name === "Issue" && each.fields.length > 50);
});
await did("unknown", async () => await linear.issue("ENG-999"));
process.stdout.write(JSON.stringify(told));
