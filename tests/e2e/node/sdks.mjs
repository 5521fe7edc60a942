// One official SDK for Node at the gateway: what it says, as JSON on stdout.
// Usage: node sdks.mjs openai|anthropic URL PROVIDER
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";

const [, , sdk, url, provider] = process.argv;
const at = (speaker) => `at-${provider}-${speaker}`;
const text = "one two 4111 1111 1111 1111 three";
const schema = { type: "object", properties: { order: { type: "string" } }, required: ["order"] };
const user = (content) => [{ role: "user", content }];

async function raised(call) {
  try {
    await call();
  } catch (error) {
    return error.constructor.name;
  }
  return "nothing";
}

async function openai() {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "callers-word", maxRetries: 0 });
  const create = (body) => client.chat.completions.create(body);
  const chat = await create({ model: at("echo"), messages: user(text) });
  const stream = await create({
    model: at("echo"),
    messages: user(text),
    stream: true,
    stream_options: { include_usage: true },
  });
  let streamed = "";
  let tokens = 0;
  for await (const chunk of stream) {
    streamed += chunk.choices[0]?.delta?.content ?? "";
    tokens = chunk.usage?.completion_tokens ?? tokens;
  }
  const tools = [{ type: "function", function: { name: "look_up", parameters: schema } }];
  const asked = { model: at("plain"), tools };
  const first = await create({ ...asked, messages: user("where"), tool_choice: "required" });
  const message = first.choices[0].message;
  const call = message.tool_calls[0];
  const told = [message, { role: "tool", tool_call_id: call.id, content: "gone" }];
  const second = await create({ ...asked, messages: [...user("where"), ...told] });
  return {
    chat: chat.choices[0].message.content,
    streamed,
    tokens,
    arguments: JSON.parse(call.function.arguments),
    answered: second.choices[0].message.content,
    429: await raised(() => create({ model: at("fault-status-429"), messages: user("x") })),
    500: await raised(() => create({ model: at("fault-status-500"), messages: user("x") })),
  };
}

async function anthropic() {
  const client = new Anthropic({ baseURL: url, apiKey: "callers-word", maxRetries: 0 });
  const create = (body) => client.messages.create({ max_tokens: 99, ...body });
  const chat = await create({ model: at("echo"), messages: user(text) });
  const stream = client.messages.stream({
    model: at("echo"),
    max_tokens: 99,
    messages: user(text),
  });
  let streamed = "";
  stream.on("text", (piece) => {
    streamed += piece;
  });
  const final = await stream.finalMessage();
  const tools = [{ name: "look_up", input_schema: schema }];
  const asked = { model: at("plain"), tools };
  const first = await create({ ...asked, messages: user("where"), tool_choice: { type: "any" } });
  const call = first.content.find((block) => block.type === "tool_use");
  const result = [{ type: "tool_result", tool_use_id: call.id, content: "gone" }];
  const told = [{ role: "assistant", content: first.content }, ...user(result)];
  const second = await create({ ...asked, messages: [...user("where"), ...told] });
  return {
    chat: chat.content[0].text,
    streamed,
    tokens: final.usage.output_tokens,
    arguments: call.input,
    answered: second.content[0].text,
    429: await raised(() => create({ model: at("fault-status-429"), messages: user("x") })),
    500: await raised(() => create({ model: at("fault-status-500"), messages: user("x") })),
  };
}

console.log(JSON.stringify(await { openai, anthropic }[sdk]()));
