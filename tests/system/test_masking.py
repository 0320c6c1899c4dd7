"""What is masked in text that goes into manifests and reports, and what has to stay readable."""

import pytest

from harness.system.masking import mask_secrets


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("https://ann:hunter2@host/simple", "https://SECRET@host/simple"),
        ("https://ann:p@ss@host/x?y=1", "https://SECRET@host/x?y=1"),
        ("GET https://host/x?token=abc&step=3", "GET https://host/x?token=SECRET&step=3"),
        ("s3://b/k?X-Amz-Signature=ab12&part=1", "s3://b/k?X-Amz-Signature=SECRET&part=1"),
        ("--xla_dump_to=x --api_key=abc --cores=4", "--xla_dump_to=x --api_key=SECRET --cores=4"),
        ("MY_PASSWORD='a b c' next", "MY_PASSWORD=SECRET next"),
        ("run --token abc --steps 3", "run --token SECRET --steps 3"),
        ('{"secret": "abc", "step": 4}', '{"secret": SECRET, "step": 4}'),
        ("password: hunter2", "password: SECRET"),
        ("X-Auth-Token: abc", "X-Auth-Token: SECRET"),
        ("Authorization: Bearer abc.def", "Authorization: SECRET"),
        ("authorization: Basic YWJjOmRlZg==", "authorization: SECRET"),
        ("sent 'Bearer 0123456789'", "sent 'Bearer SECRET'"),
        ("id AKIAABCDEFGHIJKLMNOP.", "id SECRET."),
        ("ghp_" + "a1" * 18, "SECRET"),
        ("github_pat_" + "a1" * 18, "SECRET"),
        ("hf_" + "aB" * 17, "SECRET"),
        ("x sk-" + "aB3" * 10 + " y", "x SECRET y"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----\nafter", "SECRET\nafter"),
        ("-----BEGIN PRIVATE KEY-----\nMII", "SECRET"),
    ],
)
def test_a_secret_is_masked_and_its_surroundings_stay(text: str, masked: str) -> None:
    assert mask_secrets(text, {}) == masked
    assert mask_secrets(masked, {}) == masked


@pytest.mark.parametrize(
    "text",
    [
        "KeyError: 'conv1.w'",
        "module.mlir:3:7: error: unexpected token: ')'",
        "a key: value store",
        "/etc/passwd: Permission denied",
        "/etc/ssh_host_key: Permission denied",
        "--iree-hal-target-backends=llvm-cpu --iree-llvmcpu-target-cpu=host",
        "--xla_gpu_deterministic_ops=true --xla_cpu_multi_thread_eigen=false",
        "step 3 of 4: loss 2.301",
        "sha256 " + "0a" * 32,
        "mailto ann@host, git+ssh://host/x",
        "/opt/llvm-19/lib",
    ],
)
def test_what_tells_a_fault_or_a_run_stays(text: str) -> None:
    assert mask_secrets(text, {}) == text


def test_a_secret_of_the_environment_is_masked_wherever_it_is_printed() -> None:
    environment = {"HF_TOKEN": "opensesame", "STEPS": "opensesame!", "API_KEY": "short", "DB_PASSWORD": "12345678"}
    assert mask_secrets("got opensesame, short, 12345678", environment) == "got SECRET, short, 12345678"
