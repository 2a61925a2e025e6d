"""The tutorial's openai loop for an image: the picture as a data URI, chunks without content left out (section 4.1 (2))."""

import base64
import sys
from pathlib import Path

import openai

base_url, model, key, limit, prompt, picture = sys.argv[1:7]
encoded = base64.b64encode(Path(picture).read_bytes()).decode("utf-8")
client = openai.Client(base_url=f"{base_url}/v1", api_key=key, max_retries=0)
content = [
    {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{encoded}"}},
    {"type": "text", "text": prompt},
]
answer = client.chat.completions.create(
    model=model, messages=[{"role": "user", "content": content}], stream=True, max_tokens=int(limit)
)
for chunk in answer:
    if chunk.choices and chunk.choices[0].delta.content:
        print(chunk.choices[0].delta.content, end="", flush=True)
