"""The API's table of routes, loaded as its function does."""

from hpc_constructs.api_function import FUNCTION
from hpc_constructs.api_routes import read_api_methods

ROUTES = read_api_methods(FUNCTION)
