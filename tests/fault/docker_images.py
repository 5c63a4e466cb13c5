"""Images, their containers and build cache, as a Docker of API 1.41 or newer keeps them: for docker_api.py."""

import re
import urllib.parse

NEVER = "0001-01-01T00:00:00Z"


class Images:
    def __init__(self):
        self.images, self.containers, self.cache = {}, [], []
        self.version = "1.41"
        self.asked = []        # every request that changes something
        self.before_delete = None  # called before an image is removed

    def add(self, name, *tags, tagged=NEVER, parent="", labels=None, size=1 << 20):
        self.images[name] = {"Id": f"sha256:{name}", "RepoTags": list(tags), "RepoDigests": [], "Created": 1500000000,
                             "Size": size, "Labels": labels, "ParentId": parent and f"sha256:{parent}",
                             "tagged": tagged}

    def run(self, image, state="exited"):
        self.containers.append({"Id": f"{len(self.containers):064x}", "Names": ["/c"], "Image": image, "State": state,
                                "ImageID": f"sha256:{image}", "Labels": {}, "Mounts": []})

    def find(self, ref):
        for name, image in self.images.items():
            if ref in (name, f"sha256:{name}", *image["RepoTags"]):
                return name
        return None

    def get(self, path):
        """(status, answer), or None: another's question."""
        parts = urllib.parse.urlsplit(path)
        inspected = re.fullmatch(r"/images/(.+)/json", parts.path)
        if parts.path == "/version":
            return 200, {"ApiVersion": self.version}
        if parts.path == "/images/json":
            return 200, [{k: v for k, v in image.items() if k != "tagged"} for image in self.images.values()]
        if parts.path == "/containers/json" and self.containers:
            return 200, self.containers
        if re.fullmatch(r"(/v[0-9.]+)?/system/df", parts.path):
            return 200, {"BuildCache": self.cache, "LayersSize": sum(i["Size"] for i in self.images.values())}
        if inspected:
            name = self.find(inspected[1])
            return (200, {"Created": "2017-07-14T02:40:00Z", "Metadata": {"LastTagTime": self.images[name]["tagged"]}}
                    ) if name else (404, {"message": "No such image"})
        return None

    def post(self, path):
        parts = urllib.parse.urlsplit(path)
        if parts.path == "/build/prune":
            self.asked.append(path)
            gone, self.cache = self.cache, []
            return 200, {"CachesDeleted": [one["ID"] for one in gone] or None,
                         "SpaceReclaimed": sum(one["Size"] for one in gone)}
        tagged = re.fullmatch(r"/images/(.+)/tag", parts.path)
        if tagged:
            self.asked.append(path)
            query = urllib.parse.parse_qs(parts.query)
            self.images[self.find(tagged[1])]["RepoTags"].append(f"{query['repo'][0]}:{query['tag'][0]}")
            return 201, None
        return None

    def delete(self, path):
        """As daemon/images/image_delete.go: a name of several goes unseen, the last one only when unused."""
        self.asked.append(path)
        if self.before_delete:
            self.before_delete()
        ref = re.fullmatch(r"/images/(.+)", urllib.parse.urlsplit(path).path)[1]
        name = self.find(ref)
        if not name:
            return 404, {"message": "No such image"}
        image = self.images[name]
        by_tag = ref in image["RepoTags"]
        if by_tag and len(image["RepoTags"]) > 1:
            image["RepoTags"].remove(ref)
            return 200, [{"Untagged": ref}]
        used = any(c["ImageID"] == image["Id"] for c in self.containers)
        base = any(i["ParentId"] == image["Id"] for i in self.images.values())
        if used or base or (len(image["RepoTags"]) > 1 and not by_tag):
            return 409, {"message": f"conflict: unable to delete {name}"}
        del self.images[name]
        return 200, [{"Deleted": image["Id"]}]
