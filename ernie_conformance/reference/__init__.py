"""The embedded reference server: the contract made executable. It proves the suite, not a deployment.

A request goes through `bodies` (bytes to JSON), `fields` and `conversation` (checks), `vision` (images), `compose`, `tools`
or `formats` (what will be said), `writing` and `sampling` (token by token), `engine` (slots and pace) and leaves through
`chat` or `completions` by `delivery`. Where the published contract is silent, it holds to this:

- `stop` and `stop_token_ids` apply to the answer alone, not to the thought and not to tool calls.
- Of `max_tokens` and `max_completion_tokens` the smaller counts; both count thought and answer, no end-of-text token.
- A thought may take `reasoning_max_tokens`, or 0.8 of the limit where there is one; cut short, it stays a thought.
- Every delta but a tool call's carries `content`, empty where it has none: clients print it as it comes.
- A request takes one slot, however many choices it asks for.
- Without `--reasoning-parser` there is no thought; `temperature` and `top_p` default to the engine's 0.2 and 0.8.
- Images are data URIs; nothing is ever fetched or opened.
"""
