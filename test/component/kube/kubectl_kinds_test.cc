// Kubernetes' own kubectl against xpu-apiserver: what it asks of an API server beyond the everyday verbs.
#include "test/component/kube/kubectl_testing.h"

namespace xpu {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class KubectlKindsTest : public KubectlTest {
 protected:
  void WriteCrd() {
    Write("crd.yaml", R"(
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: cars.example.org}
spec:
  group: example.org
  scope: Namespaced
  names: {kind: Car, plural: cars, singular: car, shortNames: [vehicle]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    additionalPrinterColumns:
    - {name: Seats, type: integer, jsonPath: .spec.seats}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            required: [seats]
            properties:
              seats: {type: integer, minimum: 1, description: How many can sit.}
              colour: {type: string, default: red}
)");
    Write("car.yaml", "apiVersion: example.org/v1\nkind: Car\nmetadata: {name: a}\nspec: {seats: 4}\n");
  }
};

TEST_F(KubectlKindsTest, ObjectsAreValidatedBeforeTheyAreSent) {
  EXPECT_THAT(Kubectl("apply -f blue.yaml"), HasSubstr("created"));
  Write("typo.yaml",
        "apiVersion: xpu.opiproject.org/v1alpha1\nkind: Network\nmetadata: {name: typo}\n"
        "spec: {vni: 7, prefixes: [10.0.0.0/24], mtuu: 1400}\n");
  EXPECT_THAT(Kubectl("apply -f typo.yaml", /*succeeds=*/false),
              AllOf(HasSubstr("unknown field"), HasSubstr("mtuu")));
  EXPECT_THAT(Kubectl("get networks -o name"), Not(HasSubstr("typo")));
}

TEST_F(KubectlKindsTest, FieldsAreExplained) {
  EXPECT_THAT(Kubectl("explain network.spec.vni"),
              AllOf(HasSubstr("integer"), HasSubstr("VXLAN network identifier")));
  EXPECT_THAT(Kubectl("explain netdev"), AllOf(HasSubstr("Netdev"), HasSubstr("status")));
}

TEST_F(KubectlKindsTest, AppliesOnTheServerWithOwnersOfFields) {
  EXPECT_THAT(Kubectl("apply --server-side --field-manager=ann -f blue.yaml"),
              HasSubstr("serverside-applied"));
  Write("other.yaml",
        "apiVersion: xpu.opiproject.org/v1alpha1\nkind: Network\nmetadata: {name: blue}\n"
        "spec: {vni: 100, prefixes: [10.0.0.0/24], mtu: 1400}\n");
  Kubectl("apply --server-side --field-manager=bob -f other.yaml");
  Write("other.yaml",
        "apiVersion: xpu.opiproject.org/v1alpha1\nkind: Network\nmetadata: {name: blue}\n"
        "spec: {vni: 100, prefixes: [10.0.0.0/24, 10.0.1.0/24]}\n");
  EXPECT_THAT(Kubectl("apply --server-side --field-manager=bob -f other.yaml", /*succeeds=*/false),
              AllOf(HasSubstr("conflict with \"ann\""), HasSubstr(".spec.prefixes")));
  Kubectl("apply --server-side --field-manager=bob --force-conflicts -f other.yaml");
  EXPECT_EQ(Kubectl("get network blue -o jsonpath={.spec.prefixes[1]}"), "10.0.1.0/24");
  EXPECT_EQ(Kubectl("get network blue -o jsonpath={.spec.mtu}"), "1500")
      << "left out, so the default is back";
}

TEST_F(KubectlKindsTest, ADryRunWritesNothing) {
  EXPECT_THAT(Kubectl("apply --dry-run=server -f blue.yaml"), HasSubstr("created (server dry run)"));
  EXPECT_THAT(Kubectl("get networks"), HasSubstr("No resources found"));
  Kubectl("apply -f blue.yaml");
  Kubectl("delete network blue --dry-run=server");
  EXPECT_EQ(Kubectl("get networks -o name"), "network.xpu.opiproject.org/blue\n");
}

TEST_F(KubectlKindsTest, KindsOfKubernetesArePatchedStrategically) {
  Write("service.yaml",
        "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n"
        "spec: {ports: [{port: 80, name: http}, {port: 443, name: https}]}\n");
  Kubectl("apply -f service.yaml");
  Write("service.yaml",
        "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n"
        "spec: {ports: [{port: 443, name: https, targetPort: 8443}]}\n");
  EXPECT_THAT(Kubectl("apply -f service.yaml"), HasSubstr("configured"));
  EXPECT_EQ(Kubectl("get service web -o jsonpath={.spec.ports[*].targetPort}/{.spec.ports[*].port}"),
            "8443/443");
  Kubectl("create configmap settings --from-literal=a=1");
  Kubectl("patch configmap settings -p '{\"data\": {\"b\": \"2\"}}'");
  EXPECT_EQ(Kubectl("get configmap settings -o jsonpath={.data}"), "{\"a\":\"1\",\"b\":\"2\"}");
  Kubectl("create secret generic login --from-literal=password=x");
  EXPECT_EQ(Kubectl("get secret login -o jsonpath={.data.password}"), "eA==");
  Kubectl("apply -f blue.yaml");
  EXPECT_THAT(Kubectl("patch network blue -p '{\"spec\": {\"mtu\": 1400}}'", /*succeeds=*/false),
              HasSubstr("application/merge-patch+json"));
}

TEST_F(KubectlKindsTest, AKindIsDeclaredUsedAndTakenAway) {
  WriteCrd();
  Kubectl("apply -f crd.yaml");
  Kubectl("wait --for=condition=established --timeout=20s crd/cars.example.org");
  EXPECT_THAT(Kubectl("api-resources --api-group=example.org"),
              AllOf(HasSubstr("cars"), HasSubstr("vehicle")));
  Kubectl("apply -f car.yaml");
  EXPECT_THAT(Kubectl("get vehicle"), AllOf(HasSubstr("SEATS"), HasSubstr("4")));
  EXPECT_EQ(Kubectl("get car a -o jsonpath={.spec.colour}"), "red");
  EXPECT_THAT(Kubectl("explain car.spec.seats"), HasSubstr("How many can sit."));
  EXPECT_THAT(Kubectl("patch car a --type merge -p '{\"spec\": {\"seats\": 0}}'", /*succeeds=*/false),
              HasSubstr("spec.seats"));
  EXPECT_THAT(Kubectl("describe car a"), HasSubstr("Seats:"));
  Kubectl("delete crd cars.example.org --timeout=20s");
  EXPECT_THAT(Kubectl("get cars", /*succeeds=*/false), HasSubstr("the server "));
}

TEST_F(KubectlKindsTest, RolesSayWhoMayDoWhat) {
  EXPECT_THAT(KubectlAs("ann-token", "auth can-i list networks", /*succeeds=*/false), HasSubstr("no"));
  EXPECT_THAT(KubectlAs("ann-token", "get networks", /*succeeds=*/false),
              AllOf(HasSubstr("Forbidden"), HasSubstr("User \"ann\" cannot list resource \"networks\"")));
  Kubectl("create role reader --verb=get,list,watch --resource=networks.xpu.opiproject.org");
  Kubectl("create rolebinding ann --role=reader --user=ann");
  EXPECT_THAT(KubectlAs("ann-token", "auth can-i list networks"), HasSubstr("yes"));
  EXPECT_THAT(KubectlAs("ann-token", "auth can-i delete networks", /*succeeds=*/false), HasSubstr("no"));
  EXPECT_THAT(KubectlAs("ann-token", "auth can-i --list"), HasSubstr("networks.xpu.opiproject.org"));
  EXPECT_THAT(KubectlAs("ann-token", "get networks"), HasSubstr("No resources found"));
  EXPECT_THAT(KubectlAs("wrong", "get networks", /*succeeds=*/false), HasSubstr("Unauthorized"));
  EXPECT_THAT(Kubectl("auth can-i delete secrets"), HasSubstr("yes"));
}

TEST_F(KubectlKindsTest, ActsAsSomebodyElseWhereThatIsAllowed) {
  Kubectl("create role reader --verb=get,list,watch --resource=networks.xpu.opiproject.org");
  Kubectl("create rolebinding bob --role=reader --user=bob");
  EXPECT_THAT(Kubectl("get networks --as bob"), HasSubstr("No resources found"));
  EXPECT_THAT(Kubectl("get secrets --as bob", /*succeeds=*/false), HasSubstr("User \"bob\" cannot list"));
  EXPECT_THAT(Kubectl("auth can-i delete networks --as bob", /*succeeds=*/false), HasSubstr("no"));
  EXPECT_THAT(Kubectl("get secrets --as bob --as-group system:masters"), HasSubstr("No resources found"));
  // Asked for by its URL, as kubectl is refused at its first question already and does not always say why.
  EXPECT_THAT(KubectlAs("ann-token", "get --raw /apis/xpu.opiproject.org/v1alpha1/networks --as bob",
                        /*succeeds=*/false),
              HasSubstr("Forbidden"));
}

TEST_F(KubectlKindsTest, DeletesWhatACollectionHolds) {
  Kubectl("create configmap a");
  Kubectl("create configmap b");
  Kubectl("label configmap b keep=no");
  EXPECT_THAT(Kubectl("delete --raw '/api/v1/namespaces/default/configmaps?labelSelector=keep=no'"),
              AllOf(HasSubstr("ConfigMapList"), HasSubstr("\"b\"")));
  EXPECT_EQ(Kubectl("get configmaps -o name"), "configmap/a\n");
  Kubectl("delete configmaps --all --timeout=20s");
  EXPECT_THAT(Kubectl("get configmaps"), HasSubstr("No resources found"));
}

TEST_F(KubectlKindsTest, WhatAnObjectOwnsGoesOrStaysAsIsAsked) {
  const auto make = [&](const std::string& owner) {
    Kubectl("create configmap " + owner);
    const std::string uid = Kubectl("get configmap " + owner + " -o jsonpath={.metadata.uid}");
    Write("child.yaml", absl::StrCat("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ", owner,
                                     "-child, ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: ",
                                     owner, ", uid: ", uid, ", blockOwnerDeletion: true}]}\n"));
    Kubectl("create -f child.yaml");
  };
  for (const char* cascade : {"background", "foreground", "orphan"}) {
    make(cascade);
    Kubectl(absl::StrCat("delete configmap ", cascade, " --cascade=", cascade, " --timeout=20s"));
    Kubectl(absl::StrCat("get configmap ", cascade, "-child"), /*succeeds=*/std::string(cascade) == "orphan");
  }
}

TEST_F(KubectlKindsTest, ObjectsAreSelectedByTheFieldsOfTheirKind) {
  Write("blocks.yaml",
        "apiVersion: v1\nkind: List\nitems:\n"
        "- {apiVersion: xpu.opiproject.org/v1alpha1, kind: AddressBlock, metadata: {name: a},\n"
        "   spec: {network: blue, prefix: 10.0.0.0/28, card: card0}}\n"
        "- {apiVersion: xpu.opiproject.org/v1alpha1, kind: AddressBlock, metadata: {name: b},\n"
        "   spec: {network: blue, prefix: 10.0.0.16/28, card: card1}}\n");
  Kubectl("apply -f blocks.yaml");
  EXPECT_EQ(Kubectl("get addressblocks --field-selector=spec.card=card1 -o name"),
            "addressblock.xpu.opiproject.org/b\n");
  EXPECT_THAT(Kubectl("get addressblocks --field-selector=spec.prefix=x", /*succeeds=*/false),
              HasSubstr("field label not supported: spec.prefix"));
}

}  // namespace
}  // namespace xpu
