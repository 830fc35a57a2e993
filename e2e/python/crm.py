"""A customer register over stdio whose answers hold values as numbers and as keys."""

from mcp.server import MCPServer

server = MCPServer("crm")


@server.tool(structured_output=True)
def customers() -> dict[str, object]:
    """All customers"""
    entry = {"note": "n", "iban": "DE89370400440532013000"}
    return {"card": 4111111111111111, "by_mail": {"ana.lopez@customer.example": entry}}


server.run("stdio")
