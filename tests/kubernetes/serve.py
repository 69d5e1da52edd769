"""Stands in for a kubelet and a container runtime: serves both of their gRPC services over Unix sockets, from the
published interfaces. What they say is a JSON file that is read at each call:
{"pods": [{"name", "namespace", "uid", "labels", "ready", "devices": {resource: [id, …]}}], "silent": [who answers with an
error]}. A pod whose `ready` is null has no sandbox yet."""

import json
import sys
from concurrent import futures

import grpc

folder, said, kubelet, runtime = sys.argv[1:]
sys.path.insert(0, folder)
import podresources_pb2 as v1
import runtime_pb2 as cri


def pods(context, who):
    with open(said) as file:
        now = json.load(file)
    if who in now["silent"]:
        context.abort(grpc.StatusCode.UNAVAILABLE, "shutting down")
    return now["pods"]


def list_resources(_, context):
    answer = v1.ListPodResourcesResponse()
    for pod in pods(context, "kubelet"):
        one = answer.pod_resources.add(name=pod["name"], namespace=pod["namespace"])
        container = one.containers.add(name="main", cpu_ids=[1, 2])
        for resource, ids in pod["devices"].items():
            device = container.devices.add(resource_name=resource, device_ids=ids)
            device.topology.nodes.add(ID=0)
    return answer


def list_sandboxes(request, context):
    answer = cri.ListPodSandboxResponse()
    for at, pod in enumerate(pods(context, "runtime")):
        state = cri.SANDBOX_READY if pod["ready"] else cri.SANDBOX_NOTREADY
        if pod["ready"] is None or (request.filter.HasField("state") and request.filter.state.state != state):
            continue
        labels = pod["labels"]
        one = answer.items.add(id="f" * 64, state=state, created_at=at, labels=labels, runtime_handler="nvidia")
        one.metadata.name, one.metadata.uid, one.metadata.namespace = pod["name"], pod["uid"], pod["namespace"]
    return answer


def serve(socket, service, method, handler, request):
    server = grpc.server(futures.ThreadPoolExecutor(2))
    unary = grpc.unary_unary_rpc_method_handler(
        handler, request_deserializer=request.FromString, response_serializer=lambda answer: answer.SerializeToString()
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: unary}),))
    server.add_insecure_port("unix:" + socket)
    server.start()
    return server


servers = [
    serve(kubelet, "v1.PodResourcesLister", "List", list_resources, v1.ListPodResourcesRequest),
    serve(runtime, "runtime.v1.RuntimeService", "ListPodSandbox", list_sandboxes, cri.ListPodSandboxRequest),
]
for server in servers:
    server.wait_for_termination()
