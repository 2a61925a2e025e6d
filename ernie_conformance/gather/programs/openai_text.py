"""The tutorial's openai loop for text: prints the content of every chunk, unguarded, as its section 4.1 (1) does."""

import sys

import openai

base_url, model, key, limit, prompt = sys.argv[1:6]
client = openai.Client(base_url=f"{base_url}/v1", api_key=key, max_retries=0)
answer = client.chat.completions.create(
    model=model, messages=[{"role": "user", "content": prompt}], stream=True, max_tokens=int(limit)
)
for chunk in answer:
    if chunk.choices[0].delta:
        print(chunk.choices[0].delta.content, end="")
