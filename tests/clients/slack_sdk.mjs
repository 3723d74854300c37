// Slack's official client for Node at an address of ours: a file goes up in its three steps, and the message is read.
import { pathToFileURL } from "node:url";

const [modules, slackApiUrl, token] = process.argv.slice(2);
const { default: slack } = await import(pathToFileURL(`${modules}/@slack/web-api/dist/index.js`).href);
const client = new slack.WebClient(token, { slackApiUrl, retryConfig: { retries: 0 } });

const { channels } = await client.conversations.list();
const channel_id = channels[0].id;
const uploaded = await client.filesUploadV2({
  channel_id,
  initial_comment: "Two files",
  file_uploads: [
    { file: Buffer.from("first"), filename: "first.txt", title: "First" },
    { content: "second \u{1f600}", filename: "second.txt" },
  ],
});
const { messages } = await client.conversations.history({ channel: channel_id, limit: 1 });
const files = messages[0].files.map(({ name, size }) => ({ name, size }));
const ids = uploaded.files.flatMap((each) => each.files).map((each) => each.id.slice(0, 1));
process.stdout.write(JSON.stringify({ ok: uploaded.ok, ids, text: messages[0].text, files }));
