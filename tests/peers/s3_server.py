"""moto as the store and boto3 as its other client, both written by somebody else.

The first line of output is a JSON object with the port. Then each line of input is a question:
{"get": key} answers what boto3 reads there; {"sign": {url, headers}} answers the signature that botocore makes
for the same request, because moto itself checks none. Ends with its standard input.
"""

import json
import sys
from urllib.parse import parse_qsl, urlencode, urlsplit

import boto3
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.server import ThreadedMotoServer

ACCESS_KEY, SECRET_KEY, REGION, BUCKET = "test-access-key", "test-secret-key", "us-east-1", "test"


def say(value):
    print(json.dumps(value), flush=True)


def get(client, key):
    answer = client.get_object(Bucket=BUCKET, Key=key)
    return {
        "type": answer["ContentType"],
        "cache_control": answer["CacheControl"],
        "length": len(answer["Body"].read()),
    }


def sign(url, headers):
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    given = query.pop("X-Amz-Signature")
    # botocore encodes the query as it canonicalises it: it must be handed over as it was signed.
    unsigned = parts._replace(query=urlencode(query)).geturl()
    request = AWSRequest(method="PUT", url=unsigned, headers=headers)
    request.context["timestamp"] = query["X-Amz-Date"]
    auth = S3SigV4QueryAuth(Credentials(ACCESS_KEY, SECRET_KEY), "s3", REGION)
    text = auth.string_to_sign(request, auth.canonical_request(request))
    return {"given": given, "botocore": auth.signature(text, request)}


server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
client = boto3.client(
    "s3",
    endpoint_url=f"http://{host}:{port}",
    aws_access_key_id=ACCESS_KEY,
    aws_secret_access_key=SECRET_KEY,
    region_name=REGION,
)
client.create_bucket(Bucket=BUCKET)
say({"port": port})
for line in sys.stdin:
    question = json.loads(line)
    say(get(client, question["get"]) if "get" in question else sign(**question["sign"]))
