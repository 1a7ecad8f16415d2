"""aiosmtpd with STARTTLS and AUTH: the mail server that somebody else wrote.

The first line of output is a JSON object with the port and the authority to trust; each mail that arrives is
another one, read by Python's own mail parser. What goes wrong with a mail is up to its recipient: see `Handler` and
`Server`. Ends with its standard input.
"""

import asyncio
import email
import email.policy
import json
import ssl
import sys

import trustme
from aiosmtpd.smtp import SMTP, AuthResult

USER, PASSWORD = b"shop", b"hunter2-hunter2"


def say(value):
    print(json.dumps(value), flush=True)


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("gone@"):
            return f"550 5.1.1 <{address}>: no such user"
        if address.startswith("busy@"):
            return "451 4.7.1 greylisted, try again later"
        if address.startswith("slow@"):
            await asyncio.sleep(60)
        envelope.rcpt_tos.append(address)
        return "250 fine"

    async def handle_DATA(self, server, session, envelope):
        if envelope.rcpt_tos[0].startswith("full@"):
            return "552 5.2.2 mailbox full"
        if envelope.rcpt_tos[0].startswith("later@"):
            return "452 4.2.2 mailbox full at the moment"
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        say(
            {
                "tls": session.ssl is not None,
                "user": session.auth_data.decode(),
                "to": str(mail["to"]),
                "subject": str(mail["subject"]),
                "message_id": str(mail["message-id"]),
                "defects": [str(defect) for part in mail.walk() for defect in part.defects],
                "text": mail.get_body(("plain",)).get_content().replace("\r\n", "\n"),
                "html": mail.get_body(("html",)).get_content().replace("\r\n", "\n"),
            }
        )
        return "250 taken over"


class Server(SMTP):
    async def smtp_DATA(self, arg):
        if self.envelope.rcpt_tos[:1] == ["dies@example.com"]:
            await self.push("354 go on")
            await self._reader.readline()
            self.transport.abort()
        else:
            await super().smtp_DATA(arg)


def authenticate(server, session, envelope, mechanism, data):
    good = data.login == USER and data.password == PASSWORD
    return AuthResult(success=good, handled=False, auth_data=data.login)


async def main():
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)

    def session():
        return Server(
            Handler(),
            tls_context=context,
            require_starttls=True,
            authenticator=authenticate,
            auth_required=True,
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(session, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    say({"port": port, "authority": authority.cert_pem.bytes().decode()})
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
