// One tool call by the MCP TypeScript client. Prints {"ask": address} when its user is asked to open one, then {"result": …}.
// A line on the input means that the user is done; only the earlier era waits for it, to repeat the call by itself.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [modules, url, bearer, era, answer, tool, args] = process.argv.slice(2);
const sdk = await import(pathToFileURL(`${modules}/@modelcontextprotocol/client/dist/index.mjs`).href);
const say = (told) => process.stdout.write(`${JSON.stringify(told)}\n`);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

const client = new sdk.Client(
  { name: "typescript-client", version: "1" },
  { capabilities: answer === "words" ? {} : { elicitation: { url: {} } }, versionNegotiation: { mode: era } },
);
if (answer !== "words") {
  client.setRequestHandler("elicitation/create", ({ params }) => {
    say({ ask: params.url });
    return { action: answer };
  });
}
const headers = { Authorization: `Bearer ${bearer}` };
await client.connect(new sdk.StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
const call = () => client.callTool({ name: tool, arguments: JSON.parse(args) });
let result;
try {
  result = await call();
} catch (error) {
  if (error.code !== -32042) throw error;
  say({ ask: error.data.elicitations[0].url });
  await lines.next();
  result = await call();
}
say({ result });
process.exit(0);
