"""The tutorial's requests loop, for text or an image: line by line, `data: ` taken off by replacing it (section 4.2)."""

import base64
import json
import sys
from pathlib import Path

import requests

base_url, model, key, limit, prompt = sys.argv[1:6]
content = prompt
if len(sys.argv) > 6:
    encoded = base64.b64encode(Path(sys.argv[6]).read_bytes()).decode("utf-8")
    picture = {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{encoded}"}}
    content = [picture, {"type": "text", "text": prompt}]
session = requests.Session()
session.trust_env = False  # proxies of the environment are none of this test's business
response = session.post(
    f"{base_url}/v1/chat/completions",
    headers={"Content-Type": "application/json", "Authorization": f"Bearer {key}"},
    json={"model": model, "messages": [{"role": "user", "content": content}], "stream": True, "max_tokens": int(limit)},
    stream=True,
    timeout=(5, None),
)
for line in response.iter_lines():
    if line:
        line = line.decode("utf-8").replace("data: ", "")
        if line.strip() == "[DONE]":
            continue
        try:
            data = json.loads(line)
            if "choices" in data and len(data["choices"]) > 0:
                delta = data["choices"][0].get("delta", {})
                content = delta.get("content", "")
                if content:
                    print(content, end="", flush=True)
        except json.JSONDecodeError as error:
            print(f"Error decoding line: {line}")
            print(f"Error: {error}")
